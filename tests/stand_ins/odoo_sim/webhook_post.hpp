#pragma once

#include <string>

namespace millrace::stand_ins {

/// Posts JSON as Odoo's webhook action does: waits for at most a second, is silent about what went
/// wrong, and is never repeated. `http://host:port/path`.
void post_webhook(const std::string& url, const std::string& body);

}  // namespace millrace::stand_ins
