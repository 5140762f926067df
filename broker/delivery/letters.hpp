#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

enum class LetterState : std::uint8_t { open = 0, redriven = 1, resolved = 2, discarded = 3 };

struct LetterAction {
    UnixMicros time_us = 0;
    std::string action;
    std::string by;
    std::string text;
};

/// A record that could not be settled, kept until somebody decides.
struct Letter {
    std::uint64_t id =
        0;  ///< sequence * 1000 + data group: unique for the subscription, the same after a restart
    std::string subscription;
    std::string topic;
    std::uint32_t partition_index = 0;
    PartitionId partition;
    Offset offset;
    std::uint32_t epoch = 0;  ///< of seeks, in which it was opened
    std::string key;
    Cause cause = Cause::none;
    std::string error;
    std::string response;
    std::uint32_t attempts = 0;
    UnixMicros first_failure_us = 0;
    UnixMicros last_failure_us = 0;
    UnixMicros append_time_us = 0;
    std::string correlation_id;
    LetterState state = LetterState::open;
    std::uint32_t parked_behind = 0;
    std::vector<LetterAction> actions;
    std::vector<std::byte> record;  ///< the plain record, untouched
};

struct LetterQuery {
    std::string subscription;
    std::optional<Cause> cause;
    std::optional<LetterState> state;
    std::string key;
    std::string error_contains;
    UnixMicros since_us = 0;
    std::uint64_t after_id = 0;
    std::uint32_t limit = 100;
};

/// Ids, or all open ones that match cause and key.
struct LetterSelection {
    std::string subscription;
    std::vector<std::uint64_t> ids;
    std::optional<Cause> cause;
    std::string key;
    std::string by;
    std::string reason;
    std::uint32_t limit = 1'000'000;
};

/// The dead letters of this shard's partitions.
///
/// Promise:  a letter stays, with its record, whatever the topic's retention does. Redrive delivers
/// it again to its own subscription
///           only, at the head of its key; a failure updates the same letter, success resolves it
///           and releases the key.
/// Threads:  the shard's.
class Letters {
  public:
    Letters() = default;
    Letters(const Letters&) = delete;
    Letters& operator=(const Letters&) = delete;
    Letters(Letters&&) = delete;
    Letters& operator=(Letters&&) = delete;
    virtual ~Letters() = default;

    /// By id, without records.
    [[nodiscard]] virtual Result<std::vector<Letter>> list(const LetterQuery& query) const = 0;
    [[nodiscard]] virtual Result<Letter> show(const std::string& subscription,
                                              std::uint64_t id) const = 0;
    /// `done` when durable, with the count that changed.
    virtual void redrive(LetterSelection selection,
                         std::function<void(Result<std::uint64_t>)> done) = 0;
    virtual void discard(LetterSelection selection,
                         std::function<void(Result<std::uint64_t>)> done) = 0;
};

}  // namespace millrace::broker::delivery
