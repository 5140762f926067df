#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// RFC 4648 with padding.
[[nodiscard]] std::string format_base64(std::string_view bytes);
/// None when the text is no base64; padding may be left out.
[[nodiscard]] std::optional<std::string> parse_base64(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace millrace
