#pragma once

#include <string>
#include <string_view>

namespace millrace::broker {

/// 32 bytes.
[[nodiscard]] std::string sha256(std::string_view data);
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view data);
/// Lower case.
[[nodiscard]] std::string format_hex(std::string_view bytes);
/// Takes as long wherever the texts differ; only their lengths show.
[[nodiscard]] bool is_equal_in_constant_time(std::string_view one, std::string_view other);

}  // namespace millrace::broker
