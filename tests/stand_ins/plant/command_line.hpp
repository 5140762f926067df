#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "storage/base/clock.hpp"

namespace millrace::plant {

/// What the command writes to and waits by.
struct Surroundings {
    std::ostream& out;
    std::ostream& err;
    const Clock& clock;
    std::function<void(SteadyTime)> sleep_until;
};

/// Runs millrace-plant with the words behind its name. The exit code: 0 done, 1 a log that is not
/// in order or an output that can't be written, 2 a wrong command line.
[[nodiscard]] int run(std::vector<std::string> words, const Surroundings& around);

}  // namespace millrace::plant
