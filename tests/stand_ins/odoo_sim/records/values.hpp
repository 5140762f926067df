#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/stand_ins/odoo_sim/records/schema.hpp"

namespace millrace::stand_ins {

using Json = nlohmann::json;

/// An application error as Odoo reports it: `name` is the class, thrown up to the RPC envelope.
struct OdooError {
    std::string name;
    std::string message;
};
[[nodiscard]] OdooError user_error(std::string message);
[[nodiscard]] OdooError value_error(std::string message);
[[nodiscard]] OdooError validation_error(std::string message);

/// A value of create or write in the form that is stored. Throws OdooError as the database or the
/// field would.
[[nodiscard]] Json convert_value(const std::string& name, const Field& field, const Json& value);

/// A cell of `load`, relations excepted. Throws OdooError with the message that `load` reports.
[[nodiscard]] Json convert_cell(const std::string& name,
                                const Field& field,
                                const std::string& cell);

/// A datetime of a zone so far east of UTC, in UTC.
[[nodiscard]] std::string in_utc(const std::string& datetime, std::chrono::minutes offset);

[[nodiscard]] bool is_datetime(const std::string& text);

}  // namespace millrace::stand_ins
