#pragma once

#include <span>

#include "broker/odoo/mapping/mapping.hpp"
#include "broker/odoo/mapping/yaml_reader.hpp"

namespace millrace::broker::odoo {

/// Reads one step. `before` are the steps of its rule that stand above it.
/// Errors: configuration; also for what would do harm when it is repeated, and for names of steps
/// that do not stand above.
[[nodiscard]] Result<Step> parse_step(const YamlReader& reader,
                                      const YAML::Node& node,
                                      std::span<const Step> before);

/// Says whether a program names only steps that stand above it.
[[nodiscard]] Result<void> check_step_names(const YamlReader& reader,
                                            const YAML::Node& node,
                                            std::span<const Step> before);

}  // namespace millrace::broker::odoo
