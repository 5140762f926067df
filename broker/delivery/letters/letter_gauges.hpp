#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "broker/delivery/letters/letter_store.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

/// How much of a limit is used.
[[nodiscard]] std::int64_t percent_of(std::uint64_t part, std::uint64_t whole);

/// Shows how near the subscriptions of a shard are to their limits of letters, and warns there.
///
/// Threads:  the shard's.
class LetterGauges {
  public:
    LetterGauges(Shard& shard, const LetterStore& letters) : shard_(shard), letters_(letters) {}

    /// Looks again at one subscription.
    void update(std::uint32_t subscription, const std::string& name);

  private:
    [[nodiscard]] Gauge& gauge(const char* metric, const char* help, const std::string& name);

    Shard& shard_;
    const LetterStore& letters_;
    std::map<std::uint32_t, bool> is_full_;
};

}  // namespace millrace::broker::delivery
