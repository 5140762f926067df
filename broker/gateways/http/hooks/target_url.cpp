#include "broker/gateways/http/hooks/target_url.hpp"

#include <algorithm>

namespace millrace::broker::http {

Result<TargetUrl> parse_target_url(std::string_view text) {
    constexpr std::string_view scheme = "http://";
    const auto refuse = [text](const char* why) {
        return fail(Errc::configuration, "\"" + std::string(text) + "\" " + why);
    };
    if (text.starts_with("https://")) {
        return refuse("is https, which is not there yet: put a proxy between that speaks it");
    }
    const bool has_space = std::ranges::any_of(text, [](char c) { return c >= 0 && c <= ' '; });
    if (!text.starts_with(scheme) || has_space) {
        return refuse("is no address of the form http://host:port/path");
    }
    const auto rest = text.substr(scheme.size());
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    const auto colon = std::min(authority.rfind(':'), authority.size());
    const auto port = authority.substr(std::min(colon + 1, authority.size()));
    const bool is_number =
        std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }) && port.size() <= 5;
    const bool has_bad_port = colon != authority.size() && (port.empty() || !is_number);
    if (colon == 0 || authority.empty() || has_bad_port ||
        authority.find('@') != std::string_view::npos) {
        return refuse("has no host, or a port that is none");
    }
    const auto path = rest.substr(authority.size());
    return TargetUrl{.host = std::string(authority.substr(0, colon)),
                     .port = port.empty() ? "80" : std::string(port),
                     .path = path.starts_with('/') ? std::string(path) : "/" + std::string(path)};
}

}  // namespace millrace::broker::http
