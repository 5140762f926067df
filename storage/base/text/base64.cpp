#include "storage/base/text/base64.hpp"

#include <algorithm>
#include <cstdint>

namespace millrace {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How many bytes follow a first byte, or nothing when it can't be one.
std::optional<std::size_t> continuation_count(unsigned char first) {
    if (first < 0x80) {
        return 0;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 1;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 2;
    }
    return first >= 0xF0 && first <= 0xF4 ? std::optional<std::size_t>{3} : std::nullopt;
}

/// Shortest form only, no surrogates, nothing above U+10FFFF.
bool is_second_allowed(unsigned char first, unsigned char second) {
    switch (first) {
        case 0xE0:
            return second >= 0xA0;
        case 0xED:
            return second < 0xA0;
        case 0xF0:
            return second >= 0x90;
        case 0xF4:
            return second < 0x90;
        default:
            return true;
    }
}

}  // namespace

std::string format_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            const auto byte = i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U;
            group = (group << 8U) | byte;
        }
        for (std::size_t j = 0; j < 4; ++j) {
            const bool present = i + j <= bytes.size();
            out += present ? alphabet[(group >> (18U - 6U * j)) & 63U] : '=';
        }
    }
    return out;
}

std::optional<std::string> parse_base64(std::string_view text) {
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    std::string out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto value = alphabet.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out += static_cast<char>((bits >> held) & 0xFFU);
        }
    }
    return out;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        const auto count = continuation_count(first);
        if (!count || i + *count >= text.size()) {
            return false;
        }
        const auto rest = text.substr(i + 1, *count);
        const bool is_whole = std::ranges::all_of(
            rest, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; });
        if (!is_whole || (!rest.empty() &&
                          !is_second_allowed(first, static_cast<unsigned char>(rest.front())))) {
            return false;
        }
        i += *count + 1;
    }
    return true;
}

}  // namespace millrace
