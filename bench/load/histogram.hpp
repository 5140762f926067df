#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace millrace::bench {

/// Latencies in microseconds, in buckets no wider than 1/64 of their value. One writer.
class LatencyHistogram {
  public:
    void add(std::uint64_t latency_us);
    void merge(const LatencyHistogram& other);
    /// The latency that `share` (0 to 1) of all values do not exceed; 0 when empty.
    [[nodiscard]] std::uint64_t percentile(double share) const;
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    /// How many values are above the power of two before and up to this one, from the lowest that
    /// has some to the highest.
    struct Range {
        std::uint64_t upto_us = 0;
        std::uint64_t count = 0;
    };
    [[nodiscard]] std::vector<Range> by_power_of_two() const;

  private:
    static constexpr std::size_t sub_buckets = 64;
    static constexpr std::size_t powers = 32;
    static std::size_t bucket_of(std::uint64_t value);
    static std::uint64_t upper_bound_of(std::size_t bucket);

    std::array<std::uint64_t, sub_buckets * powers> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace millrace::bench
