#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/cli/app/session.hpp"
#include "client/cli/text/position_text.hpp"
#include "millrace/types.hpp"

namespace millrace::cli {

struct WindowOptions {
    std::vector<std::string> topics;
    TimeWindow window;
    std::optional<std::uint32_t> partition;
    std::optional<std::uint64_t> count;
    std::string format;
    std::string key;              ///< empty: of any
    std::vector<Header> headers;  ///< which a record must have
    std::string where;            ///< a jq program; empty: all
    double records_per_second = 0;
    double time_scale = 0;  ///< the original spacing, so many times faster
};

/// Prints the records of a window of the past in the order in which the broker appended them.
/// Errors: UsageError for a program that jq does not accept. One that fails on a record does not
/// want it; a warning at the end says how many there were.
[[nodiscard]] ExitCode read_window(Session& session, const WindowOptions& options);

}  // namespace millrace::cli
