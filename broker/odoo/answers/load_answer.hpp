#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "broker/odoo/answers/fault.hpp"

namespace millrace::broker::odoo {

/// A row that `load` refused; its position in the call.
struct RefusedRow {
    std::size_t row = 0;
    Fault fault;
    std::string field;  ///< that is blamed; may be empty
};

/// What `load` did: everything, or nothing because of the rows named (about ten at most), or
/// nothing without a row to blame.
struct LoadWrote {
    nlohmann::json ids;  ///< of the rows, in their order
};
using LoadAnswer = std::variant<LoadWrote, std::vector<RefusedRow>, Fault>;

/// Reads the result of `load` for a call of `row_count` rows.
[[nodiscard]] LoadAnswer parse_load_answer(std::string_view result, std::size_t row_count);

}  // namespace millrace::broker::odoo
