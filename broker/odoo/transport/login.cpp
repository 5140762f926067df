#include "broker/odoo/transport/login.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace millrace::broker::odoo {
namespace {

bool is_printable(const std::string& key) {
    return std::ranges::all_of(key, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<std::string> load_key(const std::string& path) {
    if (path.empty()) {
        const char* const key =
            std::getenv("MILLRACE_ODOO_KEY");  // NOLINT(concurrency-mt-unsafe): before threads
        if (key != nullptr && *key != '\0' && is_printable(key)) {
            return std::string(key);
        }
        return fail(Errc::configuration,
                    "odoo_key_file is missing: a file whose first line is an API key of Odoo; "
                    "or set MILLRACE_ODOO_KEY");
    }
    std::ifstream file(path);
    std::string key;
    if (std::getline(file, key) && key.ends_with('\r')) {
        key.pop_back();
    }
    if (key.empty() || !is_printable(key)) {
        return fail(Errc::configuration, "odoo_key_file: no key on the first line of " + path);
    }
    return key;
}

}  // namespace millrace::broker::odoo
