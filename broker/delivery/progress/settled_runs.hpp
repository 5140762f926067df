#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// Gathers offsets that were settled, in any order, until they travel in one command.
class SettledRuns {
  public:
    using Run = std::pair<Offset, std::uint64_t>;  ///< first and count

    void add(Offset first, std::uint64_t count = 1);
    [[nodiscard]] bool is_empty() const { return runs_.empty(); }
    /// What the command would be made of, at most: neighbours that came out of order count apart.
    [[nodiscard]] std::size_t run_count() const { return runs_.size(); }
    /// In order, neighbours as one; nothing is left.
    [[nodiscard]] std::vector<Run> take();

  private:
    std::vector<Run> runs_;
};

}  // namespace millrace::broker::delivery
