#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "storage/io/background.hpp"
#include "storage/io/pace.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// A segment as far as it is durable.
struct DurableSegment {
    Segment segment;
    std::uint64_t end = 0;
};

/// The frame of an entry as storage/repair/entry_image has it; of several with one index that are
/// not told apart by their terms, the last. Segments are searched by their first entries, then one
/// is read through. Errors: not_found, also where a group has entries in few of the segments; io;
/// shutting_down.
[[nodiscard]] Result<std::vector<std::byte>> find_entry(const std::vector<DurableSegment>& segments,
                                                        const EntryRequest& request,
                                                        Pace& pace);

/// Where a scan begins that is to come to the entry of an index. Errors: as `find_entry`.
[[nodiscard]] Result<ScanCursor> seek_entry(const std::vector<DurableSegment>& segments,
                                            const EntryRequest& request,
                                            Pace& pace);

/// Looks for entries in the log, one after another on a thread of its own.
///
/// Place:    behind ShardStore::find_entry and seek_entry; the log's segments are held while it
///           reads.
/// Threads:  the shard's.
class EntryFinder {
  public:
    static constexpr std::size_t waiting_max = 16;
    /// How far a segment is durable.
    using DurableBytes = std::function<std::uint64_t(SegmentSequence)>;

    EntryFinder(const StoreOptions& options, const SegmentFiles& files, DurableBytes durable_bytes)
        : options_(options), files_(files), durable_bytes_(std::move(durable_bytes)) {}
    EntryFinder(const EntryFinder&) = delete;
    EntryFinder& operator=(const EntryFinder&) = delete;
    EntryFinder(EntryFinder&&) = delete;
    EntryFinder& operator=(EntryFinder&&) = delete;
    ~EntryFinder() { is_stopping_ = true; }

    void find(const EntryRequest& request, FindEntryDone done);
    void seek(const EntryRequest& request, SeekEntryDone done);
    /// Hands out what was found, and begins with the next one.
    void tick();

  private:
    /// On the thread; what it gives back hands out what was found.
    using Search =
        std::function<Background::Ending(const std::vector<DurableSegment>& segments, Pace& pace)>;
    template <class Done, class Look>
    void add(Done done, Look look);
    [[nodiscard]] std::vector<DurableSegment> segments() const;

    const StoreOptions& options_;
    const SegmentFiles& files_;
    DurableBytes durable_bytes_;
    std::deque<Search> waiting_;
    bool is_reading_ = false;
    std::atomic<bool> is_stopping_{false};
    Background background_{
        Background::mode_of(options_.background_inline)};  ///< last: its job reads what is above
};

}  // namespace millrace::storage
