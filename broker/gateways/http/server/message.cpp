#include "broker/gateways/http/server/message.hpp"

#include <algorithm>

namespace millrace::broker::http {

std::string_view name_of(Method method) noexcept {
    switch (method) {
        case Method::get:
            return "GET";
        case Method::head:
            return "HEAD";
        case Method::post:
            return "POST";
        case Method::put:
            return "PUT";
        case Method::patch:
            return "PATCH";
        case Method::del:
            return "DELETE";
        case Method::options:
            return "OPTIONS";
        case Method::other:
            break;
    }
    return "other";
}

std::optional<std::string_view> Request::header(std::string_view lower_name) const {
    const auto found = std::ranges::find(
        headers, lower_name, [](const auto& one) -> std::string_view { return one.first; });
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

}  // namespace millrace::broker::http
