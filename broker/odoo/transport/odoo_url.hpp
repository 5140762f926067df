#pragma once

#include <string>
#include <string_view>

#include "broker/outbound/peer.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

struct OdooUrl {
    std::string host;
    std::string port;
    bool is_https = false;
};

/// `http://host[:port]` or `https://host[:port]`; without a port it is 8069, or 443 for https.
/// Errors: configuration.
[[nodiscard]] Result<OdooUrl> parse_odoo_url(std::string_view text);

/// That address, with the certificates that https takes: those that a CA in the PEM file `ca_file`
/// has issued, or, when that is empty, a CA of the system. Errors: configuration.
[[nodiscard]] Result<Peer> find_odoo(std::string_view url, const std::string& ca_file);

}  // namespace millrace::broker::odoo
