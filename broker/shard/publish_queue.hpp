#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {

/// One call of `Shard::publish` that waits for its batches.
struct PublishCall {
    std::vector<PublishOutcome> outcomes;
    std::string text;
    std::size_t outstanding = 0;
    PublishDone done;

    void refuse(std::size_t index, const Error& error);
    /// One batch has its outcome; the last one answers.
    void end_one();
};

/// Batches of one turn on their way into one entry, and calls that wait for entries under way.
///
/// Threads:  the shard's.
class PublishQueue {
  public:
    struct Waiter {
        std::shared_ptr<PublishCall> call;
        std::size_t index = 0;
    };
    using Propose = std::function<void(
        std::uint32_t batch_count, consensus::EntryBuffer entry, consensus::ProposeDone done)>;

    explicit PublishQueue(Propose propose) : propose_(std::move(propose)) {}

    /// Copies a batch behind the ones of this turn, with its header and base offset.
    void add(const BatchHeader& header, std::span<const std::byte> batch, Waiter waiter);
    /// Number of the entry that is being gathered.
    [[nodiscard]] std::uint64_t current_proposal() const { return number_; }
    /// Waits for an entry with the others; false when it is applied already.
    [[nodiscard]] bool join(std::uint64_t proposal, Waiter waiter);
    /// Ends the turn: proposes what was gathered.
    void flush();
    [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_ + entry_.size_bytes(); }

  private:
    using Waiters = std::shared_ptr<std::vector<Waiter>>;
    void end(std::uint64_t number, std::size_t bytes, const Result<RaftIndex>& result);

    Propose propose_;
    consensus::EntryBuffer entry_;
    std::uint32_t batch_count_ = 0;
    std::uint64_t number_ = 1;
    std::unordered_map<std::uint64_t, Waiters> waiting_;
    std::size_t pending_bytes_ = 0;
};

}  // namespace millrace::broker
