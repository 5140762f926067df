#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/odoo/ledger/ledger_entry.hpp"
#include "broker/odoo/plan/work.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::odoo {

/// A delivery that the sink owes an answer for.
struct DeliveryRef {
    ShardId shard;
    std::uint64_t session = 0;
    std::uint64_t delivery_id = 0;
};

/// One delivered record, with bytes of its own.
struct Event {
    DeliveryRef ref;
    std::string topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::vector<std::byte> record;
};

/// An event on its way through the steps of its rule.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Flow {
    DeliveryRef ref;
    std::uint32_t attempt = 1;
    const Rule* rule = nullptr;
    std::size_t step = 0;  ///< the next one
    Scope scope;
    std::string event_id;
    std::vector<std::string> lanes;
    Work work;          ///< of the step, when it stands by itself
    LedgerEntry entry;  ///< of the block that begins at the step, in the ledger

    [[nodiscard]] const Step& current() const { return rule->steps[step]; }
};
using FlowPtr = std::unique_ptr<Flow>;

}  // namespace millrace::broker::odoo
