#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/odoo/mapping/mapping.hpp"
#include "broker/odoo/tools/odoo_client.hpp"
#include "client/cli/app/options.hpp"

namespace millrace::cli {

namespace odoo = millrace::broker::odoo;

/// Which Odoo, and who asks. The key is read from a file or MILLRACE_ODOO_KEY.
struct OdooOptions {
    std::string url;
    std::string database;
    std::string login;
    std::string key_file;
    std::string ca_file;  ///< empty: the system's CAs
    std::string api = "jsonrpc";
};

/// `--url --database --login --key-file --ca-file --api`; `url_flag` names the first.
void add_odoo_target(CLI::App& command, OdooOptions& options, const std::string& url_flag);
/// Throws UsageError when something is missing or no address.
[[nodiscard]] std::unique_ptr<odoo::OdooClient> connect_odoo(Session& session,
                                                             const OdooOptions& options);

/// Throws UsageError with file, line and a hint.
[[nodiscard]] odoo::Mapping require_mapping(const std::string& path);
/// The value, or the error as the command-line tool's.
template <class T>
[[nodiscard]] T require(Result<T> result);
[[noreturn]] void raise(const Error& error);

template <class T>
T require(Result<T> result) {
    if (!result) {
        raise(result.error());
    }
    return std::move(result).value();
}

}  // namespace millrace::cli
