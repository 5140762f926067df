#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/progress/failed_attempts.hpp"
#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

enum class LetterState : std::uint8_t { open = 0, redriven = 1, resolved = 2, discarded = 3 };
inline constexpr auto last_letter_state = LetterState::discarded;

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
    std::optional<Offset>
        origin_offset;        ///< of what was replayed; topic and index are its origin's
    std::uint32_t epoch = 0;  ///< of seeks, in which it was opened
    std::string key;
    Cause cause = Cause::none;
    std::string error;
    std::string response;
    std::uint32_t attempts = 0;  ///< until it was opened, or opened again
    std::uint32_t tries = 0;     ///< that failed since it was redriven
    UnixMicros first_failure_us = 0;
    UnixMicros last_failure_us = 0;
    UnixMicros append_time_us = 0;
    std::string correlation_id;
    LetterState state = LetterState::open;
    std::uint32_t parked_behind = 0;
    std::vector<LetterAction> actions;
    std::vector<FailedAttempts> failing;  ///< why its tries failed, the newest last
    std::vector<std::byte> record;        ///< the plain record, untouched
    std::vector<std::byte> edited;        ///< what goes out instead, when somebody has mended it

    /// As a person sees it, beside topic and index.
    [[nodiscard]] Offset shown_offset() const { return origin_offset.value_or(offset); }
};

/// What stands empty does not matter.
struct LetterQuery {
    std::string subscription;
    std::optional<Cause> cause;
    std::optional<LetterState> state;
    std::string key;
    std::string error_contains;
    std::string correlation_id;
    std::string where;         ///< a jq program over `letter_document`
    UnixMicros since_us = 0;   ///< of the last failure
    UnixMicros before_us = 0;  ///< 0: without
    std::uint64_t after_id = 0;
    std::uint32_t limit = 100;
};

/// Some of what a query asks for, by id, without the rest.
struct LetterPage {
    std::vector<Letter> letters;
    std::uint64_t examined_upto = 0;  ///< go on behind this id
    bool is_end = false;
};

/// Ids, or all open ones that the query wants.
struct LetterSelection {
    LetterQuery query;
    std::vector<std::uint64_t> ids;
    std::string by;
    std::string reason;
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
};

/// What is done with each letter of a selection; a transform or a value mends its record first.
struct LetterEdit {
    enum class Kind : std::uint8_t { redrive, discard, edit };
    Kind kind = Kind::redrive;
    std::string transform;             ///< a jq program over `letter_document`
    std::optional<std::string> value;  ///< instead of the record's
    std::map<std::uint64_t, std::vector<std::byte>> records;  ///< mended already, by letter
};

struct LetterGroups;
struct LetterGrouping;

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

    /// Without records. Errors: unknown_subscription, invalid_argument for what jq refuses.
    [[nodiscard]] virtual Result<LetterPage> list(const LetterQuery& query) const = 0;
    /// The same with records.
    [[nodiscard]] virtual Result<LetterPage> find(const LetterQuery& query) const = 0;
    /// Counts the letters of some steps of the query, from `query.after_id` on, and tries a
    /// transform on each. Errors: those of `list`; invalid_argument for a transform that is none.
    [[nodiscard]] virtual Result<LetterGroups> group(const LetterQuery& query,
                                                     const LetterGrouping& grouping) const = 0;
    [[nodiscard]] virtual Result<Letter> show(const std::string& subscription,
                                              std::uint64_t id) const = 0;
    /// `done` when durable, with the count that changed.
    virtual void change(LetterSelection selection,
                        LetterEdit edit,
                        std::function<void(Result<std::uint64_t>)> done) = 0;
};

}  // namespace millrace::broker::delivery
