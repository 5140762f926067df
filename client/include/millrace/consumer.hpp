#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/types.hpp"

namespace millrace {

struct ConsumerOptions {
    std::vector<std::string> topics;  ///< names or patterns: "plant1.mes.>", "plant1.*.counter"
    std::string group;                ///< empty: reads all partitions by itself and commits nothing
    StartPosition start;              ///< where no committed offset says otherwise
    std::optional<std::uint64_t> start_offset;  ///< for every partition; before `start`
    std::optional<std::uint32_t> partition;     ///< only this one; without a group
    std::chrono::milliseconds session_timeout{10'000};
    std::chrono::milliseconds commit_interval{1'000};  ///< 0: only `commit` commits
    std::uint32_t fetch_bytes_max = 4 * 1024 * 1024;
    std::string client_name = "millrace";
};

/// A batch of damaged records was left out.
struct Damage {
    std::string topic;
    std::uint32_t partition = 0;
    std::uint64_t first_offset = 0;
    std::uint64_t next_offset = 0;
    std::string text;
};

/// Reads topics as a stream, alone or as a member of a group.
///
/// Promise:  per partition records come in order. In a group every record comes to one member at
/// least once; what `poll` gave
///           before is committed by the next `poll` after the interval, or by `commit`. Where a
///           group begins at the end, the end that its first member saw is committed at once.
/// Failure:  when the group is shared out anew, `poll` commits if it may and goes on with what this
///           member has now; records that were given and are not committed come again.
/// Threads:  one at a time.
class Consumer {
  public:
    Consumer(Consumer&&) noexcept;
    Consumer& operator=(Consumer&&) noexcept;
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    /// Leaves its group; commits before unless `commit_interval` is 0.
    ~Consumer();  // NOLINT(bugprone-exception-escape): see its definition

    /// The next records, at most `records_max`, or none when `wait_max` has passed. Throws
    /// ClientError where waiting can't help.
    [[nodiscard]] std::vector<Record> poll(std::chrono::milliseconds wait_max,
                                           std::size_t records_max = SIZE_MAX);
    /// Commits all that `poll` has given; durable when it returns. Throws ClientError: rebalancing
    /// when the group was shared out anew, so that what another member has now is not committed and
    /// comes again; the next `poll` joins. After other errors the same call may be tried again.
    void commit();
    /// Damage that was met since the last call.
    [[nodiscard]] std::vector<Damage> damage();
    /// True when every partition has been read up to where it ended when this was asked first.
    [[nodiscard]] bool is_caught_up();
    [[nodiscard]] std::vector<TopicPartition> assignment() const;

  private:
    friend class Client;
    class Impl;
    explicit Consumer(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

/// A window of the past, `[from_us, to_us)` by append time, of all partitions of some topics in the
/// order in which the broker appended them.
class Replay {
  public:
    Replay(Replay&&) noexcept;
    Replay& operator=(Replay&&) noexcept;
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;
    ~Replay();

    /// The next records; empty means the window is done.
    [[nodiscard]] std::vector<Record> read();

  private:
    friend class Client;
    class Impl;
    explicit Replay(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

struct ReplayOptions {
    std::vector<std::string> topics;
    std::int64_t from_us = 0;
    std::int64_t to_us = INT64_MAX;
};

}  // namespace millrace
