#include "broker/odoo/transport/odoo_url.hpp"

#include <algorithm>

namespace millrace::broker::odoo {
namespace {

constexpr std::string_view scheme = "http://";
constexpr const char* default_port = "8069";
constexpr std::size_t port_digits_max = 5;

bool is_port(std::string_view text) {
    return !text.empty() && text.size() <= port_digits_max &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<OdooUrl> parse_odoo_url(std::string_view text) {
    const auto bad = [&](const std::string& why) {
        return fail(Errc::configuration, "odoo_url: \"" + std::string(text) + "\": " + why);
    };
    if (text.starts_with("https://")) {
        return bad("https is not spoken yet; let a proxy on this machine add it");
    }
    if (!text.starts_with(scheme)) {
        return bad("an address looks like http://odoo.plant1.example:8069");
    }
    auto rest = text.substr(scheme.size());
    if (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    if (rest.find('/') != std::string_view::npos) {
        return bad("give the address without a path");
    }
    const auto colon = rest.rfind(':');
    const auto host = rest.substr(0, colon);
    if (host.empty()) {
        return bad("the host is missing");
    }
    if (colon == std::string_view::npos) {
        return OdooUrl{.host = std::string(host), .port = default_port};
    }
    const auto port = rest.substr(colon + 1);
    if (!is_port(port)) {
        return bad("\"" + std::string(port) + "\" is not a port");
    }
    return OdooUrl{.host = std::string(host), .port = std::string(port)};
}

}  // namespace millrace::broker::odoo
