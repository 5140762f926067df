#include "broker/gateways/http/targets/verdict.hpp"

#include <algorithm>
#include <charconv>

#include "broker/outbound/open_fault.hpp"

namespace millrace::broker::http {
namespace {

using delivery::Cause;

/// Nobody waits longer because a target says so.
constexpr std::chrono::seconds retry_after_max{3600};
constexpr unsigned status_bad_request = 400;

/// Seconds; a date is as good as nothing, since the backoff comes anyway.
std::optional<std::chrono::milliseconds> retry_after(const PostAnswer& answer) {
    const auto found =
        std::ranges::find(answer.headers, "retry-after", [](const auto& one) -> std::string_view {
            return one.first;
        });
    if (found == answer.headers.end()) {
        return std::nullopt;
    }
    const auto& text = found->second;
    std::uint32_t seconds = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (code != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), retry_after_max);
}

Cause cause_without_answer(PostAnswer::Kind kind) {
    switch (kind) {
        case PostAnswer::Kind::unreachable:
            return Cause::outage;
        case PostAnswer::Kind::refused:
            return Cause::configuration;
        default:
            return Cause::outcome_unknown;
    }
}

Cause cause_of(unsigned status) {
    if (status >= 500 || status == 408 || status == 425 || status == 429) {
        return Cause::transient;
    }
    if (status == 401 || status == 403) {
        return Cause::authorization;
    }
    return status >= 400 ? Cause::mapping : Cause::configuration;
}

}  // namespace

Verdict judge(const PostAnswer& answer) {
    Verdict verdict;
    if (answer.kind != PostAnswer::Kind::answered) {
        verdict.nack.cause = cause_without_answer(answer.kind);
        verdict.nack.error = answer.error;
        return verdict;
    }
    verdict.is_done = answer.status >= 200 && answer.status < 300;
    if (!verdict.is_done) {
        verdict.nack.cause = cause_of(answer.status);
        verdict.nack.error = "the target answers " + std::to_string(answer.status);
        verdict.nack.response = answer.body.substr(0, response_bytes_max);
        if (const auto hint = tls_hint(answer.body); hint && answer.status == status_bad_request) {
            verdict.nack.cause = Cause::configuration;
            verdict.nack.error += ": " + std::string(*hint);
        }
        if (verdict.nack.cause == Cause::transient) {
            verdict.nack.delay = retry_after(answer);
        }
    }
    return verdict;
}

}  // namespace millrace::broker::http
