#pragma once

#include <string>

#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

/// Who calls. The key is an API key or a password; it never shows in a log or an error.
struct OdooLogin {
    std::string database;
    std::string login;
    std::string key;
};

/// The first line of the file; without a file the environment's MILLRACE_ODOO_KEY.
/// Errors: configuration.
[[nodiscard]] Result<std::string> load_key(const std::string& path);

}  // namespace millrace::broker::odoo
