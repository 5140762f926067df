#pragma once

#include <string>
#include <string_view>

#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

struct OdooUrl {
    std::string host;
    std::string port;
};

/// `http://host[:port]`, the port 8069 when none is given. Errors: configuration.
[[nodiscard]] Result<OdooUrl> parse_odoo_url(std::string_view text);

}  // namespace millrace::broker::odoo
