#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace millrace {

/// A to Z alone become small, whatever the locale: names of headers, hosts and media types are
/// compared so.
[[nodiscard]] inline std::string ascii_lower(std::string_view text) {
    std::string made(text);
    std::ranges::transform(made, made.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return made;
}

}  // namespace millrace
