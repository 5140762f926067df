#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "storage/base/result.hpp"

namespace millrace::broker::peers {

/// What an operator says of a node, value by name: rack a, plant 1.
using NodeLabels = std::map<std::string, std::string>;

inline constexpr std::size_t labels_max = 16;
inline constexpr std::size_t label_bytes_max = 63;  ///< of a name, and of a value

/// Letters, digits, ".", "_" and "-"; not empty, and no longer than `label_bytes_max`.
[[nodiscard]] bool is_label_word(std::string_view text);

/// "rack=a,plant=1"; empty: none. Errors: configuration, saying which label is wrong and why.
[[nodiscard]] Result<NodeLabels> parse_labels(std::string_view text);

}  // namespace millrace::broker::peers
