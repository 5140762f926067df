#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "broker/odoo/answers/fault.hpp"
#include "client/expressions/jq_program.hpp"

namespace millrace::broker::odoo {

using Json = nlohmann::json;

/// A jq program of a mapping file, with the place that errors name.
struct Expression {
    std::string name;   ///< "external_id", "when", or the field
    std::string place;  ///< file:line
    expressions::JqProgram program;

    /// The one value that it gives. Errors: as the program raises them; invalid_argument for more
    /// or fewer values than one.
    [[nodiscard]] Result<Json> evaluate(const std::string& event) const;
    /// A fault of cause mapping that names this place.
    [[nodiscard]] Fault fault(const std::string& text) const;
};

/// Functions that every expression may use; docs/odoo.md lists them.
[[nodiscard]] const char* expression_prelude() noexcept;

}  // namespace millrace::broker::odoo
