#include "broker/odoo/transport/odoo_url.hpp"

#include <algorithm>
#include <utility>

#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::string_view http_scheme = "http://";
constexpr std::string_view https_scheme = "https://";
constexpr const char* http_port = "8069";
constexpr const char* https_port = "443";
constexpr const char* ca_file_setting = "odoo_ca_file";
constexpr std::size_t port_digits_max = 5;

bool is_port(std::string_view text) {
    return !text.empty() && text.size() <= port_digits_max &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<OdooUrl> parse_odoo_url(std::string_view text) {
    if (text.find('@') != std::string_view::npos) {
        // Not said again: it may have a password.
        return fail(Errc::configuration,
                    "odoo_url: the address has an \"@\"; who calls is told by odoo_login and "
                    "odoo_key_file");
    }
    const auto bad = [&](const std::string& why) {
        return fail(Errc::configuration, "odoo_url: \"" + std::string(text) + "\": " + why);
    };
    const bool is_https = text.starts_with(https_scheme);
    if (!is_https && !text.starts_with(http_scheme)) {
        return bad(
            "an address looks like https://odoo.plant1.example or http://odoo.plant1.example:8069");
    }
    auto rest = text.substr(is_https ? https_scheme.size() : http_scheme.size());
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
        return OdooUrl{.host = std::string(host),
                       .port = is_https ? https_port : http_port,
                       .is_https = is_https};
    }
    const auto port = rest.substr(colon + 1);
    if (!is_port(port)) {
        return bad("\"" + std::string(port) + "\" is not a port");
    }
    return OdooUrl{.host = std::string(host), .port = std::string(port), .is_https = is_https};
}

Result<Peer> find_odoo(std::string_view url, const std::string& ca_file) {
    MILLRACE_TRY(auto parsed, parse_odoo_url(url));
    Peer peer{.host = std::move(parsed.host), .port = std::move(parsed.port)};
    if (parsed.is_https) {
        MILLRACE_TRY(peer.trust, TlsTrust::load(ca_file, ca_file_setting));
    } else if (!ca_file.empty()) {
        return fail(Errc::configuration,
                    std::string(ca_file_setting) + " is set, and odoo_url \"" + std::string(url) +
                        "\" is not https://: without TLS nothing is checked");
    }
    return peer;
}

}  // namespace millrace::broker::odoo
