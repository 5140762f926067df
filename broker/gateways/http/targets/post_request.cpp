#include "broker/gateways/http/targets/post_request.hpp"

#include "broker/security/digest.hpp"
#include "client/expressions/outside_json.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::http {
namespace {

constexpr std::int64_t microseconds = 1'000'000;

/// A text that a header can carry: what could end the line, or is no ASCII, as %XX.
std::string header_text(std::string_view text) {
    std::string made;
    for (const char c : text) {
        if (c > ' ' && c < '\x7f' && c != '%') {
            made += c;
        } else {
            made += "%" + format_hex(std::string_view(&c, 1));
        }
    }
    return made;
}

std::string content_type_of(const wire::RecordView& record) {
    if (const auto said = record.header("content-type");
        said && said->find_first_of("\r\n") == std::string_view::npos) {
        return std::string(*said);
    }
    return expressions::is_outside_json(record.value) ? "application/json"
                                                      : "application/octet-stream";
}

Result<void> check_headers(const NamedTexts& headers) {
    for (const auto& [name, value] : headers) {
        if (value.size() > post_header_bytes_max) {
            return fail(Errc::frame_too_large,
                        "the header " + name + " would have " + std::to_string(value.size()) +
                            " bytes; limit post_header_bytes_max is " +
                            std::to_string(post_header_bytes_max));
        }
    }
    return ok();
}

}  // namespace

Result<PostRequest> post_of(const FeedEvent& event,
                            const WebhookTarget& target,
                            UnixMicros now_us) {
    MILLRACE_TRY(const auto record, wire::parse_plain_record(event.record));
    PostRequest post{.headers = target.headers, .body = std::string(record.value)};
    auto& headers = post.headers;
    headers.emplace_back("Content-Type", content_type_of(record));
    headers.emplace_back("Millrace-Topic", header_text(event.topic));
    headers.emplace_back("Millrace-Partition", std::to_string(event.partition_index));
    headers.emplace_back("Millrace-Offset", std::to_string(event.offset.value));
    headers.emplace_back("Millrace-Attempt", std::to_string(event.attempt));
    if (record.key) {
        headers.emplace_back("Millrace-Key", header_text(*record.key));
    }
    if (const auto id = record.header(wire::event_id_header)) {
        headers.emplace_back("Millrace-Event-Id", header_text(*id));
    }
    MILLRACE_TRY(check_headers(headers));
    if (!target.secrets.empty()) {
        const auto timestamp = std::to_string(now_us / microseconds);
        headers.emplace_back("Millrace-Timestamp", timestamp);
        headers.emplace_back("Millrace-Signature",
                             "sha256=" + format_hex(hmac_sha256(target.secrets.front(),
                                                                timestamp + "." + post.body)));
    }
    return post;
}

}  // namespace millrace::broker::http
