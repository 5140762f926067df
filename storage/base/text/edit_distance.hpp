#pragma once

#include <cstddef>
#include <string_view>

namespace millrace {

/// How many letters have to be put in, taken out or replaced to make one text of the other: what a
/// person who mistyped may have meant is near. Time and memory grow with the product of the sizes.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace millrace
