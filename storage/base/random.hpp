#pragma once

#include <cstdint>

namespace millrace {

/// SplitMix64: small, fast, the same numbers for the same seed on every machine. Not for secrets.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
class Random {
  public:
    explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

    constexpr std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }
    /// A number in [0, end). **Requires** `end > 0`. The bias is below end / 2^64.
    constexpr std::uint64_t below(std::uint64_t end) { return next() % end; }
    /// A number in [0, 1).
    constexpr double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
    constexpr bool chance(double probability) { return unit() < probability; }

  private:
    std::uint64_t state_;
};

/// A seed that differs from run to run, from the system's entropy.
[[nodiscard]] std::uint64_t entropy_seed();

}  // namespace millrace
