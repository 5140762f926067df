#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/feed/feed_event.hpp"
#include "broker/odoo/ledger/ledger_entry.hpp"
#include "broker/odoo/plan/work.hpp"

namespace millrace::broker::odoo {

/// What a lookup has given an event.
struct UsedLookup {
    std::string key;  ///< of the cache
    Json found;
    bool operator==(const UsedLookup&) const = default;
};

/// An event on its way through the steps of its rule.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Flow {
    FeedRef ref;
    std::uint32_t tries = 1;  ///< since the last redrive
    const Rule* rule = nullptr;
    std::size_t step = 0;  ///< the next one
    Scope scope;
    std::string event_id;
    std::vector<std::string> lanes;
    std::vector<UsedLookup> lookups;  ///< that found something
    bool has_begun_anew = false;      ///< a record that lookups had found was not there any more
    Work work;                        ///< of the step, when it stands by itself
    LedgerEntry entry;                ///< of the block that begins at the step, in the ledger

    [[nodiscard]] const Step& current() const { return rule->steps[step]; }
};
using FlowPtr = std::unique_ptr<Flow>;

}  // namespace millrace::broker::odoo
