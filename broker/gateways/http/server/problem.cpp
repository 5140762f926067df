#include "broker/gateways/http/server/problem.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "broker/config/config_keys.hpp"

namespace millrace::broker::http {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned bad_request = 400;
constexpr unsigned not_found = 404;
constexpr unsigned conflict = 409;
constexpr unsigned gone = 410;
constexpr unsigned too_large = 413;
constexpr unsigned out_of_range = 416;
constexpr unsigned too_many = 429;
constexpr unsigned server_error = 500;
constexpr unsigned unavailable = 503;
constexpr unsigned gateway_timeout = 504;

std::string title_of(Errc code) {
    std::string title(name_of(code));
    std::ranges::replace(title, '_', ' ');
    return title;
}

/// The setting that a sentence names.
std::string_view limit_in(std::string_view text) {
    for (const auto& key : config_keys()) {
        const bool is_limit =
            key.name.ends_with("_max") || key.name.ends_with("_ms") || key.name.ends_with("_bytes");
        if (is_limit && text.find(key.name) != std::string_view::npos) {
            return key.name;
        }
    }
    return {};
}

}  // namespace

unsigned status_of(Errc code) noexcept {
    switch (code) {
        case Errc::ok:
            return 200;
        case Errc::unknown_api:
        case Errc::unknown_topic:
        case Errc::unknown_partition:
        case Errc::unknown_group:
        case Errc::unknown_subscription:
        case Errc::unknown_letter:
        case Errc::not_found:
            return not_found;
        case Errc::frame_too_large:
        case Errc::record_too_large:
            return too_large;
        case Errc::already_exists:
        case Errc::conflict:
        case Errc::sequence_out_of_order:
        case Errc::sequence_too_old:
        case Errc::stale_delivery:
            return conflict;
        case Errc::offset_out_of_range:
            return out_of_range;
        case Errc::topic_retired:
            return gone;
        case Errc::limit_reached:
            return too_many;
        case Errc::timed_out:
            return gateway_timeout;
        case Errc::invalid_argument:
        case Errc::malformed:
        case Errc::unsupported_version:
        case Errc::configuration:
            return bad_request;
        default:
            return is_retryable(code) ? unavailable : server_error;
    }
}

Json problem_json(unsigned status, const Error& error) {
    const std::string name(name_of(error.code));
    Json json{{"type", "urn:millrace:error:" + name},
              {"title", title_of(error.code)},
              {"status", status},
              {"detail", error.text},
              {"error", name},
              {"retryable", is_retryable(error.code)}};
    if (const auto limit = limit_in(error.text); !limit.empty()) {
        json["limit"] = limit;
    }
    return json;
}

Response problem(unsigned status, const Error& error) {
    Response response{.status = status, .content_type = "application/problem+json"};
    if (status == too_many || status == unavailable) {
        response.headers.emplace_back("Retry-After", status == too_many ? "1" : "5");
    }
    response.body =
        problem_json(status, error).dump(-1, ' ', false, Json::error_handler_t::replace);
    return response;
}

Response problem(const Error& error) {
    return problem(status_of(error.code), error);
}

}  // namespace millrace::broker::http
