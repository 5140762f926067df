#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "storage/base/clock.hpp"

namespace millrace::broker::peers {

/// What was said lately, of what comes again with every try: each is said once, and again when it
/// still comes after a minute.
class Complaints {
  public:
    static constexpr Duration rest{60'000'000};
    /// More at a time are not said: whoever connects picks the words of some.
    static constexpr std::size_t count_max = 64;

    /// Whether to say it now.
    [[nodiscard]] bool is_due(const std::string& complaint, SteadyTime now);

  private:
    std::map<std::string, SteadyTime> said_;
};

}  // namespace millrace::broker::peers
