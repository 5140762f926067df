#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/consensus/entry_buffer.hpp"
#include "broker/consensus/group.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/units.hpp"

namespace millrace::broker {

/// Gathers the commands of a turn into entries, and who waits for them.
///
/// Promise:  commands are applied in the order in which they came. None is larger than a commit
///           takes, and no more than `ahead_bytes_max` of them are on their way to the disk: the
///           rest waits here, so that a burst of them never meets the end of the log's backlog,
///           which would end the shard.
/// Threads:  the shard's.
class CommandQueue {
  public:
    using Propose = std::function<void(consensus::EntryBuffer, consensus::ProposeDone)>;
    struct Limits {
        std::size_t command_bytes_max = 0;
        std::size_t ahead_bytes_max = 4_MiB;
    };
    CommandQueue(ShardId shard, Limits limits, Propose propose, MetricsRegistry& metrics);

    /// Errors through `done`: record_too_large above `command_bytes_max`.
    void add(std::span<const std::byte> command, CommandDone done);
    /// Once a turn, outside of what an entry's end calls: proposes what may go.
    void flush();
    [[nodiscard]] bool is_empty() const { return entries_.empty(); }

    /// Calls with each command of an entry.
    static void visit(std::span<const std::byte> entry,
                      const std::function<void(std::span<const std::byte>)>& each);
    /// Errors: record_too_large; the text names the limit.
    [[nodiscard]] static Result<void> check_size(std::size_t bytes, std::size_t command_bytes_max);

  private:
    struct Entry {
        consensus::EntryBuffer buffer;
        std::vector<CommandDone> waiters;
    };

    Limits limits_;
    Propose propose_;
    std::deque<Entry> entries_;  ///< the last one still takes commands
    std::size_t waiting_bytes_ = 0;
    std::size_t ahead_bytes_ = 0;
    Gauge& waiting_gauge_;
};

}  // namespace millrace::broker
