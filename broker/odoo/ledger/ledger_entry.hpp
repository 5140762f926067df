#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/odoo/plan/work.hpp"
#include "broker/odoo/transport/transport.hpp"

namespace millrace::broker::odoo {

/// The module of the ledger's external ids, and the name of its action.
inline constexpr const char* ledger_module = "millrace_ledger";
inline constexpr const char* ledger_action = "action";

/// What one event asks of a block: neighbouring steps of the ledger, one transaction.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct LedgerEntry {
    Json json;                         ///< as the action takes it
    std::vector<std::string> records;  ///< as in Work
};
using LedgerEvaluated = std::variant<LedgerEntry, Skipped, Fault>;

/// Where a block begins, and for which event.
struct LedgerPlace {
    std::string event_id;
    std::size_t step = 0;   ///< within the rule
    std::string feed = {};  ///< of the mapping
};
/// How the names of a feed's markers begin; nothing begins so without a feed.
[[nodiscard]] std::string feed_prefix(const std::string& feed);
/// What it is called says what the step does and not where it stands, so that a file may be
/// rearranged.
[[nodiscard]] std::string marker_name(const Step& step, const LedgerPlace& place);

/// How many steps from `first` on belong to one block.
[[nodiscard]] std::size_t block_length(std::span<const Step> steps, std::size_t first);
/// Works out the block that begins at `place.step`. The scope is the event's own: what the steps
/// bring is known after the call.
[[nodiscard]] LedgerEvaluated evaluate_block(std::span<const Step> steps,
                                             const LedgerPlace& place,
                                             Scope scope);

/// Runs the action for entries of several events.
[[nodiscard]] Call ledger_call(std::int64_t action_id, Json entries);
/// A time as Odoo writes it: UTC, YYYY-MM-DD HH:MM:SS.
[[nodiscard]] std::string format_odoo_datetime(UnixMicros time_us);
struct Forgotten {
    std::string before;  ///< as Odoo writes times
    std::string feed;    ///< markers of others stay
};
/// Forgets at most a thousand markers that are older, and says how many there were.
[[nodiscard]] Call forget_call(std::int64_t action_id, const Forgotten& which);

}  // namespace millrace::broker::odoo
