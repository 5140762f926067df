#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/delivery/commands.hpp"
#include "broker/delivery/progress/interval_set.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::delivery {

/// A record that failed and comes again.
struct Retry {
    std::uint32_t attempts = 0;
    UnixMicros not_before_us = 0;
    UnixMicros first_failure_us = 0;
    std::vector<FailedAttempts> reasons;  ///< the newest last
};

/// What a subscription has durably done with a partition.
///
/// Place:    between commands, which change it, and the rows of a checkpoint.
/// On disk:  `<prefix>` epoch, origin and floor; `<prefix>/r/<offset>` one retry;
///           `<prefix>/s/<chunk>` what is settled above the floor among `chunk_offsets` offsets. A
///           checkpoint writes what has changed since the last one, so that a hundred thousand
///           retries cost one that fails nothing. Rows of an earlier form, which held ranges and
///           retries in the first row, are read and replaced.
/// Threads:  the shard's.
class DurableProgress {
  public:
    [[nodiscard]] bool is_known() const { return is_known_; }
    [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
    [[nodiscard]] Offset origin() const { return origin_; }
    [[nodiscard]] const IntervalSet& settled() const { return settled_; }
    [[nodiscard]] const std::map<Offset, Retry>& retries() const { return retries_; }
    /// Null for a record that has not failed.
    [[nodiscard]] const Retry* find_retry(Offset offset) const;

    /// Starts over: the first sight of a partition, or a seek.
    void begin(std::uint32_t epoch, Offset origin);
    void settle(Offset first, std::uint64_t count);
    /// Of a record that is not settled.
    void keep_retry(Offset offset, Retry retry);

    /// One row by what follows the prefix in its key. Errors: corrupt; what the row said is
    /// delivered again.
    [[nodiscard]] Result<void> restore(std::string_view suffix, std::string_view row);
    void write(const std::string& prefix, storage::StateWriter& state);
    [[nodiscard]] static Result<void> erase(const std::string& prefix, storage::ShardStore& store);

    static constexpr std::uint64_t chunk_offsets = 8192;

  private:
    [[nodiscard]] Result<void> restore_head(std::string_view row);
    [[nodiscard]] Result<void> restore_retry(std::string_view name, std::string_view row);
    [[nodiscard]] Result<void> restore_chunk(std::string_view name, std::string_view row);
    void note_chunks(Offset first, Offset end);
    void drop_retries(Offset first, Offset end);
    [[nodiscard]] std::string format_chunk(std::uint64_t chunk) const;
    void write_chunks(const std::string& prefix, storage::StateWriter& state);
    void write_retries(const std::string& prefix, storage::StateWriter& state);

    bool is_known_ = false;
    std::uint32_t epoch_ = 0;
    Offset origin_;
    IntervalSet settled_;
    std::map<Offset, Retry> retries_;
    // What the rows do not say yet, and which rows there are.
    bool is_head_changed_ = false;
    std::set<Offset> changed_retries_;
    std::set<Offset> stored_retries_;
    std::set<std::uint64_t> changed_chunks_;
    std::set<std::uint64_t> stored_chunks_;
};

}  // namespace millrace::broker::delivery
