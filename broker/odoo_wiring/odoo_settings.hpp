#pragma once

#include <memory>

#include "broker/config/config.hpp"
#include "broker/odoo/transport/transport.hpp"
#include "storage/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

/// The way to Odoo that the settings name. Errors: configuration.
[[nodiscard]] Result<std::unique_ptr<odoo::Transport>> make_odoo_transport(
    boost::asio::io_context& control, const Config& config);

}  // namespace millrace::broker
