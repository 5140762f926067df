#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace millrace::broker::delivery {

// CBOR in rows and commands. What the library reports by exceptions its callers turn into errors:
// all of these throw nlohmann::json::exception.

/// The library calls itself for each level, so bytes that nest deep would end the stack: refused.
[[nodiscard]] nlohmann::json parse_cbor(std::span<const std::byte> bytes);

/// Texts come from outside and need not be UTF-8, so they travel as bytes.
[[nodiscard]] nlohmann::json cbor_bytes(std::string_view text);
[[nodiscard]] nlohmann::json cbor_bytes(std::span<const std::byte> bytes);
[[nodiscard]] std::string cbor_text(const nlohmann::json& json);
[[nodiscard]] std::vector<std::byte> cbor_blob(const nlohmann::json& json);

/// The library itself converts between all kinds of numbers, out of range too.
template <class T>
T integer_of(const nlohmann::json& json) {
    const bool fits = json.is_number_unsigned()
                          ? std::in_range<T>(json.get<std::uint64_t>())
                          : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
    if (!fits) {
        throw nlohmann::json::other_error::create(501, "not an integer in its range", &json);
    }
    return json.get<T>();
}

template <class T>
void read_integer(const nlohmann::json& json, T& out) {
    out = integer_of<T>(json);
}

template <class Enum>
Enum enumerator_of(const nlohmann::json& json, Enum last) {
    const auto number = integer_of<std::uint8_t>(json);
    if (number > static_cast<std::uint8_t>(last)) {
        throw nlohmann::json::other_error::create(501, "a number without a meaning", &json);
    }
    return static_cast<Enum>(number);
}

}  // namespace millrace::broker::delivery
