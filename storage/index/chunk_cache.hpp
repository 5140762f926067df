#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/ids.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/units.hpp"
#include "storage/index/index_rows.hpp"

namespace millrace::storage {

/// Rows of chunks that reads have ended in, and how far: the next read of such a partition goes on
/// there and asks the index on disk only behind the row's last batch.
///
/// Promise:  at most `bytes_max`, whatever is read. A row that was used lately stays: where more
///           partitions are read in turns than there is room for, some have theirs and the others
///           are sought, instead of each pushing out the next.
/// Threads:  the shard's.
class ChunkCache {
  public:
    static constexpr std::size_t bytes_max_default = 16_MiB;
    ChunkCache(ShardId shard, MetricsRegistry& metrics, std::size_t bytes_max = bytes_max_default);

    struct Held;
    /// What is held of a partition, by offset; lies with what else is known of it. **Requires**
    /// that it stays where it is, and is dropped before it goes.
    struct Rows {
        struct Place {
            Offset first;
            Held* row = nullptr;
        };
        std::vector<Place> places;
    };
    struct Held {
        Held(Rows& of, std::string_view text, Offset from)
            : rows(of), row(text), at(row), first(from), at_offset(from) {}
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        Held(Held&&) = delete;
        Held& operator=(Held&&) = delete;
        ~Held() = default;

        Rows& rows;
        std::string row;
        /// Before the first batch that ends behind `at_offset`.
        ChunkReader at;
        Offset first;
        Offset at_offset;
        std::uint64_t used_at = 0;  ///< by the count of looks
        std::size_t number = 0;     ///< among all

        /// Where to look for an offset: at the row's first batch, or nearer.
        [[nodiscard]] ChunkReader reader_for(Offset offset) const {
            return offset < at_offset ? ChunkReader(row) : at;
        }
    };
    /// The last row of the partition that begins not behind `offset`: it has the batch with that
    /// offset, or the index does behind it. Null where there is none. Valid until the next `add`
    /// or drop.
    [[nodiscard]] Held* find(const Rows& rows, Offset offset);
    /// A read found batches in it.
    void note_use(Held& row) const { row.used_at = looks_; }
    /// Keeps a row that begins at `first`, in the place of an older one.
    void add(Rows& rows, Offset first, std::string_view row);
    /// Its rows are no longer what the index on disk has.
    void drop(Rows& rows);
    void drop_segment(SegmentSequence segment);
    /// Forgets all, also of partitions that are gone.
    void clear();

    /// A read that had to ask the index on disk, and one that did not.
    void count_seek() { seeks_.add(); }
    void count_spared() { spared_.add(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

  private:
    void erase(Held& row);
    /// False where the rows that it looks at were all used lately.
    [[nodiscard]] bool make_room(std::size_t bytes);
    [[nodiscard]] bool is_in_use(const Held& row) const;

    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::uint64_t looks_ = 0;
    std::vector<std::unique_ptr<Held>> all_;
    std::size_t hand_ = 0;  ///< the next that may have to go
    Counter& seeks_;
    Counter& spared_;
    Gauge& held_bytes_;
};

}  // namespace millrace::storage
