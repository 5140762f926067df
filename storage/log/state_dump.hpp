#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/index/key_value.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// The whole state of a shard as `checkpoint` frames, so that the log alone can rebuild it once
/// older segments are gone.
///
/// On disk:  the payloads of a dump's frames, one behind the other, are a run of {u32 key bytes,
///           key, u32 value bytes, value}; a row may begin in one frame and end in another. Flags
///           say which frame is the first and the last; its `index` is its number, from 1 (0 in
///           dumps of older programs, which cut only between rows).
inline constexpr std::uint8_t dump_first = 1;
inline constexpr std::uint8_t dump_last = 2;

/// Cuts the state of the last checkpoint into frames, one at a time.
class StateDumpWriter {
  public:
    StateDumpWriter(KeyValueCursor rows, std::size_t frame_bytes_max)
        : rows_(std::move(rows)), frame_bytes_max_(frame_bytes_max) {}

    [[nodiscard]] bool is_at_end() const { return is_at_end_; }
    /// The next frame, its payload valid until the next call. Errors: io. **Requires**
    /// `!is_at_end()`.
    [[nodiscard]] Result<FrameView> next();

  private:
    [[nodiscard]] Result<void> load_row();

    KeyValueCursor rows_;
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

    /// Errors: corrupt, when the dump that the frame belongs to can't be read.
    [[nodiscard]] Result<void> add(const FrameView& frame);
    /// The rows of the last whole dump; none where there was none.
    [[nodiscard]] const Rows& rows() const { return whole_; }

  private:
    [[nodiscard]] Result<void> take(const FrameView& frame);
    void take_rows();

    Rows whole_;
    Rows building_;
    std::vector<std::byte> rest_;  ///< a row that has not ended yet
    std::uint64_t number_ = 0;     ///< of the last frame
    bool is_open_ = false;
};

}  // namespace millrace::storage
