#include "client/cli/odoo/odoo_target.hpp"

#include <CLI/CLI.hpp>

#include "broker/odoo/mapping/mapping.hpp"
#include "broker/odoo/transport/odoo_url.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds call_timeout{150'000};

}  // namespace

void add_odoo_target(CLI::App& command, OdooOptions& options, const std::string& url_flag) {
    command.add_option(url_flag, options.url, "Odoo's address, https://host or http://host:port")
        ->envname("MILLRACE_ODOO_URL")
        ->type_name("URL");
    command.add_option("--database", options.database, "Its database")
        ->envname("MILLRACE_ODOO_DATABASE");
    command.add_option("--login", options.login, "The user that asks")
        ->envname("MILLRACE_ODOO_LOGIN");
    command
        .add_option("--key-file",
                    options.key_file,
                    "File whose first line is that user's API key; or set MILLRACE_ODOO_KEY")
        ->envname("MILLRACE_ODOO_KEY_FILE");
    command
        .add_option("--ca-file",
                    options.ca_file,
                    "PEM file with the CA of Odoo's certificate, for https; else the system's CAs")
        ->envname("MILLRACE_ODOO_CA_FILE")
        ->type_name("FILE");
    command.add_option("--api", options.api, "jsonrpc, or json2 from Odoo 19 on")
        ->envname("MILLRACE_ODOO_API")
        ->capture_default_str();
}

std::unique_ptr<odoo::OdooClient> connect_odoo(Session& session, const OdooOptions& options) {
    if (options.url.empty() || options.database.empty() || options.login.empty()) {
        throw UsageError("which Odoo? Give its address, --database, --login and --key-file");
    }
    auto peer = odoo::find_odoo(options.url, options.ca_file);
    const auto api = odoo::parse_odoo_api(options.api);
    auto key = odoo::load_key(options.key_file);
    if (!peer || !api || !key) {
        throw UsageError(!peer ? peer.error().text : !api ? api.error().text : key.error().text);
    }
    odoo::OdooTarget target;
    target.peer = std::move(peer).value();
    target.login = {
        .database = options.database, .login = options.login, .key = std::move(key).value()};
    target.limits.call_timeout = session.timeout_or(call_timeout);
    return std::make_unique<odoo::OdooClient>(api.value(), std::move(target));
}

odoo::Mapping require_mapping(const std::string& path) {
    auto mapping = odoo::parse_mapping_file(path);
    if (!mapping) {
        throw UsageError(mapping.error().text);
    }
    return std::move(mapping).value();
}

void raise(const Error& error) {
    const bool is_retryable = error.code == Errc::unavailable;
    throw ClientError(static_cast<std::uint16_t>(error.code),
                      is_retryable ? "unavailable" : "refused",
                      error.text);
}

}  // namespace millrace::cli
