#pragma once

#include <cstdint>
#include <map>

#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// Offsets that are settled: everything below a floor, and ranges above it.
class IntervalSet {
  public:
    explicit IntervalSet(Offset floor = Offset{0}) : floor_(floor) {}

    /// Adds `count` offsets; what touches the floor raises it.
    void add(Offset first, std::uint64_t count);
    [[nodiscard]] bool contains(Offset offset) const;
    [[nodiscard]] Offset floor() const { return floor_; }
    [[nodiscard]] std::uint64_t above_floor() const { return above_floor_; }
    /// First offset to one past the last; disjoint, not touching, above the floor.
    [[nodiscard]] const std::map<Offset, Offset>& ranges() const { return ranges_; }

  private:
    void raise_floor();
    Offset floor_;
    std::map<Offset, Offset> ranges_;
    std::uint64_t above_floor_ = 0;
};

}  // namespace millrace::broker::delivery
