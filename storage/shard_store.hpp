#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/batch_header.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"
#include "storage/base/units.hpp"

namespace millrace::storage {

class Disk;
class KeyValueMemory;

/// What a frame is for the store; the store itself only understands the records in `entry` frames
/// of type `entry_type_records`, because it indexes them.
enum class FrameKind : std::uint8_t {
    entry = 1,
    hard_state = 2,
    truncate = 3,
    relocated = 4,
    checkpoint = 5,
};

/// An `entry` or `relocated` frame whose payload is a run of batches
/// (storage/base/batch_header.hpp).
inline constexpr std::uint16_t entry_type_records = 1;
/// A `relocated` frame that says in which order they were appended (storage/format/append_order).
inline constexpr std::uint16_t entry_type_order = 2;

/// One frame, as written and as found again. The payload belongs to whoever made the view.
struct FrameView {
    FrameKind kind = FrameKind::entry;
    std::uint8_t flags = 0;
    std::uint16_t entry_type = 0;
    GroupId group;
    std::uint32_t batch_count = 0;
    RaftIndex index;
    RaftTerm term;
    std::span<const std::byte> payload;
};

/// Where a frame lies.
struct FramePlace {
    SegmentSequence segment;
    Position position;      ///< of the frame's header
    CommitSequence commit;  ///< the commit that carries it
    auto operator<=>(const FramePlace&) const = default;
};

/// Key-value writes that become durable together at a checkpoint.
class StateWriter {
  public:
    StateWriter() = default;
    StateWriter(const StateWriter&) = delete;
    StateWriter& operator=(const StateWriter&) = delete;
    StateWriter(StateWriter&&) = delete;
    StateWriter& operator=(StateWriter&&) = delete;
    virtual ~StateWriter() = default;
    virtual void put(std::string_view key, std::string_view value) = 0;
    virtual void erase(std::string_view key) = 0;
};

/// What the store tells its owner. All calls on the owner's thread; none may call back into `open`.
class StoreEvents {
  public:
    StoreEvents() = default;
    StoreEvents(const StoreEvents&) = delete;
    StoreEvents& operator=(const StoreEvents&) = delete;
    StoreEvents(StoreEvents&&) = delete;
    StoreEvents& operator=(StoreEvents&&) = delete;
    virtual ~StoreEvents() = default;

    /// During `open`, every intact frame of the unsealed segments in log order, but for the store's
    /// own copies of the state. `in_state` is true
    /// where the state of the last checkpoint already contains what the frame did; its batches are
    /// indexed.
    virtual void on_recovered_frame(const FrameView& frame, FramePlace place, bool in_state) = 0;
    /// Everything up to and with this commit is on disk. In order, once each.
    virtual void on_durable(CommitSequence commit) = 0;
    /// A write or sync failed: nothing appended since the last `on_durable` may be acked, and the
    /// store refuses appends.
    virtual void on_failed(const Error& error) = 0;
    /// A checkpoint is about to be cut at the last applied commit: write what is only in memory.
    virtual void on_checkpoint(StateWriter& state) = 0;
    /// Something that was durable does not verify any more. Reads of it answer "corrupt".
    virtual void on_damage(const Error& /*damage*/) {}
    /// Nothing of what was told of is damaged any more.
    virtual void on_repaired() {}
};

struct StoreOptions {
    std::string directory;  ///< data/shard-00
    ShardId shard;
    std::size_t segment_bytes = 128_MiB;
    /// Of the one that a start begins with where none lies ready, so that it need not wait for the
    /// zeros of a whole one. Each that follows is twice as large, up to `segment_bytes`.
    std::size_t first_segment_bytes = 16_MiB;
    std::size_t commit_bytes_max = 2_MiB;
    std::uint32_t commits_in_flight_max = 2;
    std::size_t tail_cache_bytes_max = 16_MiB;
    std::size_t state_overlay_bytes_max =
        16_MiB;                           ///< more unsaved state than this forces a checkpoint
    std::uint32_t free_segments_max = 4;  ///< recycled segments kept ready; more are deleted
    std::uint64_t disk_reserve_bytes =
        512_MiB;  ///< below it record frames are refused with Errc::out_of_space
    std::uint64_t scrub_bytes_per_second =
        256_MiB;  ///< pace at which sealed segments are read through after a start; 0: never
    std::uint32_t rewrite_below_live_percent =
        50;  ///< of a sealed segment's bytes; with less alive it is written anew. 0: never
    std::uint64_t rewrite_bytes_per_second = 64_MiB;  ///< read and written together; 0: no limit
    std::size_t rewrite_memory_bytes_max = 32_MiB;    ///< more costs fewer passes over a segment
    /// Entries may be truncated: segments leave the log in its order, and none is written anew, so
    /// that a truncation is there for as long as what it takes out.
    bool is_replicated = false;
    bool rebuild_index = false;    ///< also without it where the index is lost or half built
    bool index_in_memory = false;  ///< RocksDB on its in-memory environment, for simulated disks
    /// Keeps the index in memory from one opening to the next; without, each begins with none.
    std::shared_ptr<KeyValueMemory> index_memory = {};
    bool background_inline =
        false;  ///< background work runs in `tick` and `submit`, for simulated disks
    std::size_t commit_backlog_bytes_max =
        64_MiB;  ///< gathered and not yet durable; above: limit_reached
};

struct PartitionBounds {
    Offset first;  ///< the oldest record kept
    Offset next;   ///< one past the newest record that was indexed
    std::uint64_t live_bytes = 0;
};

/// Runs of batches, back to back, each as `BatchHeader` + batch + padding.
struct ReadResult {
    SharedBytes runs;  ///< with those of others that were read together
    Offset next;       ///< where to read on
    /// Set when the batch at `next` failed its checksum or is quarantined; `runs` holds what came
    /// before it. `skip_to` is the first offset behind the damage. One replica of several answers
    /// `unavailable` instead for a minute: another has the batch.
    std::optional<Error> damage;
    Offset skip_to;
    std::optional<SegmentSequence> damaged = {};  ///< the segment where that lies
    std::size_t disk_bytes = 0;                   ///< of `runs`, not from the tail in memory
};
using ReadDone = std::function<void(Result<ReadResult>)>;
using ReadAllDone = std::function<void(std::vector<Result<ReadResult>>)>;

struct ReadRequest {
    PartitionId partition;
    Offset from;
    std::size_t bytes_max = 1_MiB;  ///< at least one batch is returned, however large
};

/// A place in the physical order of the shard's log.
struct ScanCursor {
    SegmentSequence segment;
    Position position;
    // NOLINTNEXTLINE(modernize-use-nullptr): the 0 is the compiler's
    auto operator<=>(const ScanCursor&) const = default;
};
struct ScanResult {
    std::vector<std::byte> runs;  ///< batches of every partition, in append order
    ScanCursor next;
    bool at_end = false;  ///< nothing is indexed beyond `next` yet
};
using ScanDone = std::function<void(Result<ScanResult>)>;

/// Entries of one consensus group as they were appended, also those that were truncated later.
struct EntryScanResult {
    std::vector<FrameView> entries;
    std::shared_ptr<const void> memory;  ///< holds their payloads
    ScanCursor next;
    bool at_end = false;  ///< nothing is applied beyond `next` yet
};
using EntryScanDone = std::function<void(Result<EntryScanResult>)>;
using SeekEntryDone = std::function<void(Result<ScanCursor>)>;

/// A segment's file, as far as it counts for a copy of the log.
struct SegmentExtent {
    SegmentSequence segment;
    std::uint64_t hash_seed = 0;   ///< tells a file that was rewritten from the one before
    std::uint64_t used_bytes = 0;  ///< durable, with the header; a multiple of 4096
    std::uint64_t file_bytes = 0;
    bool operator==(const SegmentExtent&) const = default;
};

/// Bytes of a segment's file; `position` and `bytes` are multiples of 4096.
struct SegmentRead {
    SegmentSequence segment;
    std::uint64_t hash_seed = 0;  ///< as it was listed
    Position position;
    std::size_t bytes = 0;
};
inline constexpr std::size_t segment_read_bytes_max = 4_MiB;
using SegmentReadDone = std::function<void(Result<std::vector<std::byte>>)>;

/// An entry of a consensus group.
struct EntryRequest {
    GroupId group;
    RaftIndex index;
    RaftTerm term;  ///< 0: of whichever term it is
    auto operator<=>(const EntryRequest&) const = default;
};
/// The entry as storage/repair/entry_image has it.
using FindEntryDone = std::function<void(Result<std::vector<std::byte>>)>;

struct RepairTask;
struct RepairOutcome;

struct RetentionRule {
    std::optional<std::chrono::milliseconds> age_max;
    std::optional<std::uint64_t> bytes_max;
};

struct StoreStats {
    std::uint64_t segments = 0;
    std::uint64_t segments_free = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t commits = 0;
    std::uint64_t syncs = 0;
    std::uint64_t torn_tails_cut = 0;
    std::uint64_t frames_quarantined = 0;
    std::uint64_t disk_free_bytes = 0;
    bool out_of_space = false;
    bool poisoned = false;
    /// Why the state could not be copied forward; empty while that works. Segments that hold it
    /// stay.
    std::string state_dump_failure;
};

/// All that one shard keeps on disk: the log, the index over it and the state derived from it.
///
/// Place:    below consensus and shard; above Disk and RocksDB. Knows partitions as numbers,
/// nothing of topics. Promise:  a frame is durable once `on_durable` names its commit. State and
/// index never get ahead of the log: what
///           is written to RocksDB is a checkpoint at one place of the log, and everything behind
///           it is applied again from the log on the next start, exactly once. The log alone can
///           rebuild everything: before a segment is recycled, the whole state and the ends of all
///           partitions are on disk in younger ones.
/// Threads:  the shard thread; sealing and zero-filling run on a background thread of the store's
/// own. On disk:  docs/storage-format.md. Failure:  after a failed write it is poisoned: `append`
/// gives Errc::poisoned, reads go on.
class ShardStore {
  public:
    /// Opens or creates; recovers, reporting frames to `events` before it returns. A corrupt batch
    /// in the middle is quarantined and logged with segment and position; a torn tail is cut and
    /// counted. Errors: newer_format, io, corrupt (only where the log's own structure can't be
    /// trusted), locked.
    [[nodiscard]] static Result<std::unique_ptr<ShardStore>> open(Disk& disk,
                                                                  const Clock& clock,
                                                                  MetricsRegistry& metrics,
                                                                  StoreOptions options,
                                                                  StoreEvents& events);
    ShardStore() = default;
    ShardStore(const ShardStore&) = delete;
    ShardStore& operator=(const ShardStore&) = delete;
    ShardStore(ShardStore&&) = delete;
    ShardStore& operator=(ShardStore&&) = delete;
    virtual ~ShardStore() = default;

    /// Copies the frame into the commit being gathered; starts another when it is full. Never waits
    /// for the disk. Errors: poisoned; out_of_space (record frames only); limit_reached when too
    /// many commits wait for the disk (backlog of `commit_backlog_bytes_max`); frame_too_large
    /// above `commit_bytes_max` less headers.
    [[nodiscard]] virtual Result<FramePlace> append(const FrameView& frame) = 0;
    /// Ends the turn: hands what was gathered to the disk, unless enough commits are in flight
    /// already; then it goes out with the next completion.
    virtual void submit() = 0;
    /// Submits and waits until all is durable; `on_durable` has run when it returns.
    [[nodiscard]] virtual Result<void> sync() = 0;
    [[nodiscard]] virtual bool is_out_of_space() const = 0;

    /// The payload of a frame that recovery handed out, valid until the next call. Blocks: for the
    /// start, where it costs least in the order of the log. Errors: not_found, of what was applied
    /// and whose segment was recycled or rewritten since; io; corrupt, where the segment is read
    /// through as `check_segment` does.
    [[nodiscard]] virtual Result<std::span<const std::byte>> read_payload(
        FramePlace place, std::size_t payload_bytes) = 0;

    /// Makes the batches of a committed records frame readable. `payload` is the frame's. In log
    /// order.
    virtual void index_batches(FramePlace place, std::span<const std::byte> payload) = 0;
    /// Takes back out of the index what recovery put there of a records frame that it handed out:
    /// no majority had it. Those of a partition from the last to the first. Blocks. Errors: io,
    /// corrupt.
    [[nodiscard]] virtual Result<void> take_back_batches(FramePlace place,
                                                         std::size_t payload_bytes) = 0;
    /// Everything up to and with this commit has been applied (index_batches and state writes
    /// included).
    virtual void mark_applied(CommitSequence commit) = 0;
    /// Once, behind `open`, where what was recovered behind this commit still waits to be applied:
    /// no checkpoint covers it until `mark_applied` does. Returns the last commit of the log.
    virtual CommitSequence hold_applied(CommitSequence commit) = 0;

    [[nodiscard]] virtual PartitionBounds bounds(PartitionId partition) const = 0;
    /// Every partition that has ever had a batch and was not dropped.
    [[nodiscard]] virtual std::vector<PartitionId> partitions() const = 0;
    /// Batches from the one that contains `from`. `done` may run before `read` returns (tail cache)
    /// or later. Errors: offset_out_of_range (below first or above next), io. At `from == next`:
    /// empty runs.
    virtual void read(const ReadRequest& request, ReadDone done) = 0;
    /// Reads several partitions; results in the order of the requests, each as of `read`. Batches
    /// that lie side by side in the log come with one operation of the disk, so ask for a little of
    /// many rather than for much of one after another. `runs_bytes_max` bounds all of them
    /// together, except that one batch always comes; a partition for which there was no room has no
    /// runs.
    virtual void read_all(const std::vector<ReadRequest>& requests,
                          std::size_t runs_bytes_max,
                          ReadAllDone done) = 0;
    /// The first offset of a batch whose append time is not before `time_us`; `next` where there is
    /// none.
    /// **Requires** that append times of a partition never go down.
    [[nodiscard]] virtual Result<Offset> offset_at(PartitionId partition, UnixMicros time_us) = 0;
    /// No record was appended later than this, by the clock of its time.
    [[nodiscard]] virtual UnixMicros last_time_us() const = 0;

    /// When the record at `offset` was appended; nothing at or behind the end.
    [[nodiscard]] virtual Result<std::optional<UnixMicros>> append_time_at(PartitionId partition,
                                                                           Offset offset) = 0;

    /// Where a scan of all partitions starts for everything appended at or after `time_us`.
    [[nodiscard]] virtual Result<ScanCursor> scan_start(UnixMicros time_us) = 0;
    virtual void scan(ScanCursor from, std::size_t bytes_max, ScanDone done) = 0;
    /// The entries of a group in the next few MiB of the log, of commits that are applied; there
    /// may be none. Errors: not_found in a segment that was rewritten; corrupt; io.
    virtual void scan_entries(GroupId group, ScanCursor from, EntryScanDone done) = 0;
    /// A place at or before that of an entry, from which `scan_entries` comes to it. Looks for it
    /// as `find_entry` does, with the same errors.
    virtual void seek_entry(GroupId group, RaftIndex index, SeekEntryDone done) = 0;

    /// State: a small ordered map, read from memory and RocksDB, made durable by checkpoints.
    virtual void put_state(std::string_view key, std::string_view value) = 0;
    virtual void erase_state(std::string_view key) = 0;
    [[nodiscard]] virtual Result<std::optional<std::string>> get_state(
        std::string_view key) const = 0;
    /// Calls `visit` for keys that start with `prefix`, from `from` on, in order, until it returns
    /// false.
    [[nodiscard]] virtual Result<void> visit_state(
        std::string_view prefix,
        std::string_view from,
        const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;

    /// Drops what the rule no longer keeps; whole segments without live bytes are recycled. Call
    /// now and then.
    [[nodiscard]] virtual Result<void> enforce_retention(PartitionId partition,
                                                         const RetentionRule& rule) = 0;
    /// Whether sealed segments with the partition's batches are written anew, so that these lie
    /// side by side.
    virtual void set_clustered(PartitionId partition, bool is_clustered) = 0;
    /// Forgets a partition; its bytes become dead.
    [[nodiscard]] virtual Result<void> drop_partition(PartitionId partition) = 0;
    /// Recycles dead segments, copies state forward for that, looks at free space, starts
    /// background work that is due. Call about every 100 ms.
    virtual void tick() = 0;
    /// Cuts a checkpoint now and waits for it. For a graceful stop: the next start has nothing to
    /// apply.
    [[nodiscard]] virtual Result<void> checkpoint() = 0;

    /// All segments of the log in order, each as far as it is durable: nothing of a commit in
    /// flight. Those that hold nothing are left out. From these bytes alone everything can be
    /// rebuilt (storage/copy), and as long as a hash seed stays, they do.
    [[nodiscard]] virtual std::vector<SegmentExtent> list_segments() const = 0;
    /// The bytes as they lie in the file, unverified. The segment is not recycled before `done` has
    /// run. Errors: not_found when it has been recycled or rewritten: list again; invalid_argument
    /// for no whole blocks, more than `segment_read_bytes_max`, or what is not used; io.
    virtual void read_segment(const SegmentRead& request, SegmentReadDone done) = 0;
    /// Reads a segment through soon, in the background, because what somebody read of it does not
    /// verify; `on_damage` tells if that is so. Nothing happens where the hash seed is another.
    virtual void check_segment(SegmentSequence segment, std::uint64_t hash_seed) = 0;
    /// The frame of an entry, for a replica that can't read its own. Reads the log in the
    /// background, at the pace of the scrub. **Requires** that the entry is committed: of one that
    /// is not another may be found. Errors: not_found; limit_reached while many are looked for; io.
    virtual void find_entry(const EntryRequest& request, FindEntryDone done) = 0;
    /// Where damage was found that is not repaired.
    [[nodiscard]] virtual std::vector<SegmentSequence> damaged_segments() const = 0;
    /// What an earlier life has found, told of as if it were found now.
    virtual void note_damaged(const std::vector<SegmentSequence>& segments) = 0;
    /// The next damaged segment, for `repair_segment` (storage/repair); null where there is none.
    /// Errors: corrupt, where one can't be repaired: it is not sealed, or that was tried.
    [[nodiscard]] virtual Result<std::shared_ptr<const RepairTask>> begin_repair() = 0;
    /// What has become of it: the segment is read in its new file from now on, or counts as one
    /// that can't be repaired when there is no use in another try.
    virtual void end_repair(const RepairTask& task, const Result<RepairOutcome>& outcome) = 0;

    [[nodiscard]] virtual StoreStats stats() const = 0;
};

}  // namespace millrace::storage
