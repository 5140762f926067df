#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "broker/odoo/answers/fault.hpp"

namespace millrace::broker::odoo {

/// What the ledger did with one event.
struct LedgerDone {
    bool is_duplicate = false;
    nlohmann::json ids;  ///< step name to record id
};
using LedgerOutcome = std::variant<LedgerDone, Fault>;
using LedgerAnswer = std::variant<std::vector<LedgerOutcome>, Fault>;

/// Reads what the ledger's action answered for `event_count` events.
[[nodiscard]] LedgerAnswer parse_ledger_answer(std::string_view result, std::size_t event_count);

}  // namespace millrace::broker::odoo
