#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/delivery/groups/consumer_groups.hpp"
#include "broker/delivery/jobs/jobs.hpp"
#include "broker/delivery/letters/letters.hpp"
#include "broker/delivery/progress/failed_attempts.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

/// Which progress a command is about. `origin` is where the partition started in this epoch of
/// seeks, so that a command can be applied to a state that has never seen the partition.
struct ProgressKey {
    std::uint32_t subscription = 0;
    PartitionId partition;
    std::uint32_t epoch = 0;
    Offset origin;
};

/// Offsets that were settled: runs of first and count.
struct SettleCommand {
    ProgressKey key;
    std::vector<std::pair<Offset, std::uint64_t>> runs;
};
/// A record failed and comes again.
struct RetryCommand {
    ProgressKey key;
    Offset offset;
    std::uint32_t attempts = 0;
    UnixMicros not_before_us = 0;
    UnixMicros first_failure_us = 0;
    std::optional<FailedAttempts> failed;  ///< nothing where the attempt does not count
};
/// A record became a dead letter, which settles it. The id is given when the command is applied.
struct LetterOpenCommand {
    ProgressKey key;
    Letter letter;
};
/// Something happened to a letter.
struct LetterChangeCommand {
    std::uint32_t subscription = 0;
    std::uint64_t id = 0;
    LetterState state = LetterState::open;
    Cause cause = Cause::none;  ///< none: as it was
    std::string error;
    std::string response;
    std::uint32_t attempts = 0;  ///< 0: as it was
    LetterAction action;
    std::vector<std::byte> edited;  ///< the record that goes out from now on; empty: as it was
};
/// A redriven letter failed, and goes out again by itself.
struct LetterRetryCommand {
    std::uint32_t subscription = 0;
    std::uint64_t id = 0;
    FailedAttempts failed;
};
/// The circuit of a subscription has opened or closed on this shard.
struct CircuitCommand {
    std::uint32_t subscription = 0;
    CircuitChange change;
};
struct OffsetCommand {
    std::string group;
    std::vector<CommittedOffset> offsets;
};
using Command = std::variant<SettleCommand,
                             RetryCommand,
                             LetterOpenCommand,
                             LetterChangeCommand,
                             LetterRetryCommand,
                             CircuitCommand,
                             OffsetCommand,
                             JobCommand>;

/// Settlements, the frequent ones, as varints; everything else as CBOR. The first byte says which.
[[nodiscard]] std::vector<std::byte> format_command(const Command& command);
/// Errors: malformed.
[[nodiscard]] Result<Command> parse_command(std::span<const std::byte> bytes);

}  // namespace millrace::broker::delivery
