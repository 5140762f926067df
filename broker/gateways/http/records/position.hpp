#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// Where somebody reads a topic.
struct Positions {
    std::map<std::uint32_t, Offset> offsets;  ///< the next one of each partition, by index
    bool has_all = false;                     ///< of the topic, those that it gets later too
};

/// "3:5" of one partition, "0:17,1:5,*" of all.
[[nodiscard]] std::string format_positions(const Positions& positions);
/// Errors: invalid_argument.
[[nodiscard]] Result<Positions> parse_positions(std::string_view text);

}  // namespace millrace::broker::http
