#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/index/index_rows.hpp"
#include "storage/index/key_value.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// The whole state of a shard and the ends of its partitions as `checkpoint` frames, so that the
/// log alone can rebuild them once older segments are gone.
///
/// On disk:  the payloads of a dump's frames, one behind the other, are a run of {u32 key bytes,
///           key, u32 value bytes, value}; a row may begin in one frame and end in another. Flags
///           say which frame is the first and the last; its `index` is its number, from 1 (0 in
///           dumps of older programs, which cut only between rows). Its `entry_type` says whose
///           rows it has, without the letter of the index: first those of the state, then those of
///           the partitions (none in dumps of older programs).
inline constexpr std::uint8_t dump_first = 1;
inline constexpr std::uint8_t dump_last = 2;
inline constexpr std::uint16_t dump_of_state = 0;
inline constexpr std::uint16_t dump_of_partitions = 1;

/// Cuts the state of the last checkpoint into frames, one at a time.
class StateDumpWriter {
  public:
    StateDumpWriter(const KeyValueStore& rows, std::size_t frame_bytes_max);

    [[nodiscard]] bool is_at_end() const { return is_at_end_; }
    /// The next frame, its payload valid until the next call. Errors: io. **Requires**
    /// `!is_at_end()`.
    [[nodiscard]] Result<FrameView> next();

  private:
    /// False where a part has ended.
    [[nodiscard]] Result<bool> load_row();
    /// There is a row to go on with; false where the frame ends, which has rows of one part.
    [[nodiscard]] Result<bool> prepare_row();

    std::array<KeyValueCursor, 2> parts_;
    std::uint16_t part_ = dump_of_state;
    std::size_t frame_bytes_max_;
    std::vector<std::byte> row_;
    std::size_t row_begin_ = 0;  ///< what lies before it in `row_` is in earlier frames
    std::vector<std::byte> payload_;
    std::uint64_t number_ = 0;
    bool is_at_end_ = false;
};

/// Puts frames of dumps together again. A dump counts once its last frame is there; one that breaks
/// off or is damaged leaves the dump before it standing.
class StateDumpReader {
  public:
    using Rows = std::map<std::string, std::string>;
    using Ends = std::map<PartitionId, Offset>;

    /// Errors: corrupt, when the dump that the frame belongs to can't be read.
    [[nodiscard]] Result<void> add(const FrameView& frame);
    /// The rows of the last whole dump; none where there was none.
    [[nodiscard]] const Rows& rows() const { return whole_.rows; }
    /// One past the last offset that each partition had given out by then.
    [[nodiscard]] const Ends& ends() const { return whole_.ends; }

  private:
    [[nodiscard]] Result<void> take(const FrameView& frame);
    [[nodiscard]] Result<void> begin_part(std::uint16_t part);
    [[nodiscard]] Result<void> take_rows();
    [[nodiscard]] Result<void> take_row(std::string key, std::string value);

    struct Dump {
        Rows rows;
        Ends ends;
    };
    Dump whole_;
    Dump building_;
    std::uint16_t part_ = dump_of_state;
    std::vector<std::byte> rest_;  ///< a row that has not ended yet
    std::uint64_t number_ = 0;     ///< of the last frame
    bool is_open_ = false;
};

}  // namespace millrace::storage
