#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "storage/base/bytes.hpp"

namespace millrace::bench {

/// Integers and texts as the wire protocols of Kafka and of RabbitMQ's streams have them.
template <std::integral T>
void append_be(std::string& out, T value) {
    const auto at = out.size();
    out.resize(at + sizeof(T));
    store_be(std::as_writable_bytes(std::span(out)).subspan(at), value);
}

/// With its length before it, in 16 bits.
inline void append_text(std::string& out, std::string_view text) {
    append_be(out, static_cast<std::int16_t>(text.size()));
    out += text;
}

/// Takes an integer off the front. Throws std::runtime_error where the bytes end before.
template <std::integral T>
[[nodiscard]] T take_be(std::string_view& bytes) {
    if (bytes.size() < sizeof(T)) {
        throw std::runtime_error("an answer of the peer is too short");
    }
    const auto value = load_be<T>(std::as_bytes(std::span(bytes)));
    bytes.remove_prefix(sizeof(T));
    return value;
}

/// Takes what `append_text` made off the front; a length below zero stands for no text.
inline std::string_view take_text(std::string_view& bytes) {
    const auto size = take_be<std::int16_t>(bytes);
    const auto text = bytes.substr(0, size > 0 ? static_cast<std::size_t>(size) : 0);
    bytes.remove_prefix(text.size());
    return text;
}

/// The next whole frame behind its length of 32 bits, taken off the front; empty where it is not
/// there yet.
inline std::string_view take_frame(std::string_view& bytes) {
    if (bytes.size() < sizeof(std::uint32_t)) {
        return {};
    }
    const std::size_t size = load_be<std::uint32_t>(std::as_bytes(std::span(bytes)));
    const auto whole = sizeof(std::uint32_t) + size;
    if (bytes.size() < whole) {
        return {};
    }
    const auto frame = bytes.substr(sizeof(std::uint32_t), size);
    bytes.remove_prefix(whole);
    return frame;
}

}  // namespace millrace::bench
