#include "broker/gateways/http/hooks/target_url.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::broker::http {
namespace {

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    return code == std::errc{} && end == text.data() + text.size() && port > 0;
}

}  // namespace

Result<TargetUrl> parse_target_url(std::string_view text) {
    constexpr std::string_view http_scheme = "http://";
    constexpr std::string_view https_scheme = "https://";
    // Behind a "?", and before an "@", many have a password.
    const auto shown = text.find('@') == std::string_view::npos
                           ? "\"" + std::string(text.substr(0, text.find('?'))) + "\""
                           : std::string("the address, which must not have an \"@\",");
    const auto refuse = [&shown](const char* why) {
        return fail(Errc::configuration, shown + " " + why);
    };
    const bool is_https = text.starts_with(https_scheme);
    const bool has_space = std::ranges::any_of(text, [](char c) { return c >= 0 && c <= ' '; });
    if ((!is_https && !text.starts_with(http_scheme)) || has_space) {
        return refuse("is no address of the form http://host:port/path or https://host/path");
    }
    const auto rest = text.substr(is_https ? https_scheme.size() : http_scheme.size());
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    const auto colon = std::min(authority.rfind(':'), authority.size());
    const auto port = authority.substr(std::min(colon + 1, authority.size()));
    if (authority.find_first_of("[]") != std::string_view::npos) {
        return refuse("has an IPv6 address: give the host a name");
    }
    const bool has_bad_port = colon != authority.size() && !is_port(port);
    if (colon == 0 || authority.empty() || has_bad_port ||
        authority.substr(0, colon).find_first_of("@:") != std::string_view::npos) {
        return refuse("has no host, or a port that is none");
    }
    const auto path = rest.substr(authority.size());
    return TargetUrl{.host = std::string(authority.substr(0, colon)),
                     .port = !port.empty() ? std::string(port)
                             : is_https    ? "443"
                                           : "80",
                     .path = path.starts_with('/') ? std::string(path) : "/" + std::string(path),
                     .is_https = is_https};
}

}  // namespace millrace::broker::http
