#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/io/sim_disk.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage::testing {

/// One batch of one record whose value is `text`.
std::vector<std::byte> make_run(PartitionId partition,
                                Offset offset,
                                UnixMicros time,
                                const std::string& text);

/// A store over a simulated disk, with an owner that applies what is durable at once, as a group of
/// one does.
class StoreFixture final : public StoreEvents {
  public:
    explicit StoreFixture(std::uint64_t seed = 1);

    /// Errors are kept in `open_error`.
    bool open();
    /// Power loss: what was not durable is lost in part.
    void crash();
    /// What was not durable yet is forgotten with the store.
    void close();

    /// Appends one record; returns whether it was taken. It counts as acked once `run` has made it
    /// durable.
    Result<void> publish(PartitionId partition, const std::string& text);
    void put(const std::string& key, const std::string& value);
    /// Ends the turn and waits for the disk.
    void run();
    void run_turns(int count);

    struct ReadAll {
        std::vector<std::string> values;
        std::vector<Offset> damaged;
        /// Keeps what was read, and says where to go on.
        Offset take(const ReadResult& result);
    };
    ReadAll read_all(PartitionId partition);
    ReadAll scan_all(UnixMicros from);

    void on_recovered_frame(const FrameView& frame, FramePlace place, bool in_state) override;
    void on_durable(CommitSequence commit) override;
    void on_failed(const Error& error) override { failure = error; }
    void on_checkpoint(StateWriter& state) override;
    void on_damage(const Error& damage) override { damages.push_back(damage); }

    SimDisk disk;
    ManualClock clock;
    MetricsRegistry metrics;
    StoreOptions options;
    std::unique_ptr<ShardStore> store;
    std::optional<Error> open_error;
    std::optional<Error> failure;
    std::vector<Error> damages;  ///< that the store has told of
    std::map<PartitionId, std::vector<std::string>> acked;
    std::map<std::string, std::string> acked_state;
    /// Written with every checkpoint under the key "large", filled with the last digit of the
    /// number of applied frames.
    std::size_t large_row_bytes = 0;
    /// Copies of the state in the log so far, and those that failed.
    std::uint64_t state_dumps();
    std::uint64_t state_dump_failures();
    /// Segments that were rewritten so far, and those that could not be.
    std::uint64_t rewritten_segments();
    std::uint64_t rewrite_failures();

  private:
    std::uint64_t counter(const std::string& name, const std::string& help);
    struct Pending {
        CommitSequence commit;
        FramePlace place;
        PartitionId partition;
        std::string text;
        std::vector<std::byte> run;
        std::string key;
        RaftIndex index;
    };
    void apply(const Pending& pending);
    std::vector<Pending> pending_;
    std::map<PartitionId, Offset> next_;
    RaftIndex last_index_;
    RaftIndex applied_;  ///< lives only in memory, written at checkpoints
};

}  // namespace millrace::storage::testing
