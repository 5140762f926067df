#include "broker/odoo_wiring/odoo_settings.hpp"

#include <chrono>
#include <utility>

#include "broker/odoo/transport/json2.hpp"
#include "broker/odoo/transport/odoo_url.hpp"

namespace millrace::broker {

Result<std::unique_ptr<odoo::Transport>> make_odoo_transport(boost::asio::io_context& control,
                                                             const Config& config) {
    odoo::OdooTarget target;
    MILLRACE_TRY(target.peer, odoo::find_odoo(config.odoo_url, config.odoo_ca_file));
    if (config.odoo_database.empty() || config.odoo_login.empty()) {
        return fail(Errc::configuration,
                    "odoo_url is set, so odoo_database and odoo_login are needed");
    }
    MILLRACE_TRY(const auto api, odoo::parse_odoo_api(config.odoo_api));
    MILLRACE_TRY(auto key, odoo::load_key(config.odoo_key_file));
    target.login = {
        .database = config.odoo_database, .login = config.odoo_login, .key = std::move(key)};
    target.limits.call_timeout = std::chrono::milliseconds(config.odoo_timeout_ms);
    return odoo::make_transport(api, control, std::move(target));
}

}  // namespace millrace::broker
