#pragma once

#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace millrace::broker::odoo {

/// What a field should hold: a cell of `load`, or a value of create and write.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct WantedField {
    std::string column;  ///< with /id or /.id where a relation is named so
    nlohmann::json value;
};
/// Id of an external id, or nothing.
using FindId = std::function<std::optional<std::int64_t>(const std::string&)>;

/// The field of a column.
[[nodiscard]] std::string field_of(const std::string& column);
/// Whether fields of a type can be compared: no lists of other records.
[[nodiscard]] bool is_comparable(const std::string& type);
/// Whether a value that Odoo gave for a field of that type is what was wanted.
[[nodiscard]] bool is_same(const WantedField& wanted,
                           const std::string& type,
                           const nlohmann::json& found,
                           const FindId& find_id);

}  // namespace millrace::broker::odoo
