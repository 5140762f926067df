#pragma once

#include <optional>
#include <string>

#include "broker/odoo/mapping/mapping.hpp"

namespace millrace::broker::odoo {

/// What of a step would do harm when the event comes twice, or may do nothing without saying so;
/// with what to write instead. Nothing when there is no such thing.
[[nodiscard]] std::optional<std::string> find_trap(const Step& step);

}  // namespace millrace::broker::odoo
