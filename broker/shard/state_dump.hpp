#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker {

/// The whole state of a shard as checkpoint frames, so that the log alone can rebuild it once older
/// segments are gone.
///
/// Each frame's payload is a run of {u32 key bytes, key, u32 value bytes, value}; flags say which
/// is the first and the last.
inline constexpr std::uint8_t dump_first = 1;
inline constexpr std::uint8_t dump_last = 2;

/// Errors: as of `append`.
[[nodiscard]] Result<void> append_state_dump(storage::ShardStore& store);

/// Puts frames of a dump together again.
class StateDumpReader {
  public:
    /// True when this was the last frame of a whole dump. Errors: corrupt.
    [[nodiscard]] Result<bool> add(const storage::FrameView& frame);
    [[nodiscard]] const std::map<std::string, std::string>& rows() const { return rows_; }

  private:
    std::map<std::string, std::string> rows_;
    bool is_open_ = false;
};

}  // namespace millrace::broker
