#include "broker/shard/command_queue.hpp"

#include <memory>
#include <utility>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::broker {
namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t entry_bytes_max = 512_KiB;  ///< but for a command that is larger alone

void tell(const std::vector<CommandDone>& waiters, const Result<void>& outcome) {
    for (const auto& done : waiters) {
        done(outcome);
    }
}

}  // namespace

CommandQueue::CommandQueue(ShardId shard, Limits limits, Propose propose, MetricsRegistry& metrics)
    : limits_(limits),
      propose_(std::move(propose)),
      waiting_gauge_(metrics.gauge("millrace_shard_commands_waiting_bytes",
                                   "Settlements, letters and other commands that wait for their "
                                   "turn on the disk.",
                                   shard_label(shard))) {}

Result<void> CommandQueue::check_size(std::size_t bytes, std::size_t command_bytes_max) {
    if (bytes > command_bytes_max) {
        return fail(Errc::record_too_large,
                    "a command of " + std::to_string(bytes) +
                        " bytes, limit command_bytes_max is " + std::to_string(command_bytes_max));
    }
    return ok();
}

void CommandQueue::add(std::span<const std::byte> command, CommandDone done) {
    // Handed on, it would fail the group: a frame must fit into a commit.
    if (const auto fits = check_size(command.size(), limits_.command_bytes_max); !fits) {
        done(fits);
        return;
    }
    const auto bytes = length_bytes + command.size();
    if (entries_.empty() || entries_.back().buffer.size_bytes() + bytes > entry_bytes_max) {
        entries_.emplace_back();
    }
    auto& entry = entries_.back();
    const auto out = entry.buffer.extend(bytes);
    store_le(out, static_cast<std::uint32_t>(command.size()));
    copy_bytes(command, out.subspan(length_bytes));
    entry.waiters.push_back(std::move(done));
    waiting_bytes_ += bytes;
}

void CommandQueue::flush() {
    while (!entries_.empty() && ahead_bytes_ < limits_.ahead_bytes_max) {
        auto entry = std::move(entries_.front());
        entries_.pop_front();
        const auto bytes = entry.buffer.size_bytes();
        waiting_bytes_ -= bytes;
        ahead_bytes_ += bytes;
        auto waiters = std::make_shared<std::vector<CommandDone>>(std::move(entry.waiters));
        propose_(std::move(entry.buffer), [this, bytes, waiters](const Result<RaftIndex>& applied) {
            ahead_bytes_ -= bytes;
            tell(*waiters, applied ? ok() : Result<void>(applied.error()));
        });
    }
    waiting_gauge_.set(static_cast<std::int64_t>(waiting_bytes_));
}

void CommandQueue::visit(std::span<const std::byte> entry,
                         const std::function<void(std::span<const std::byte>)>& each) {
    while (entry.size() >= length_bytes) {
        const auto bytes = load_le<std::uint32_t>(entry);
        MILLRACE_ASSERT(bytes <= entry.size() - length_bytes);
        each(entry.subspan(length_bytes, bytes));
        entry = entry.subspan(length_bytes + bytes);
    }
}

}  // namespace millrace::broker
