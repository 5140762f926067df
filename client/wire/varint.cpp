#include "client/wire/varint.hpp"

#include <bit>

namespace millrace::wire {
namespace {

constexpr unsigned bits_per_byte = 7;
constexpr std::uint64_t more_bit = 0x80;
constexpr unsigned shift_max = 63;

constexpr std::uint64_t to_zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}

}  // namespace

void append_varint(std::vector<std::byte>& out, std::int64_t value) {
    auto rest = to_zigzag(value);
    while (rest >= more_bit) {
        out.push_back(static_cast<std::byte>((rest & (more_bit - 1)) | more_bit));
        rest >>= bits_per_byte;
    }
    out.push_back(static_cast<std::byte>(rest));
}

std::size_t varint_bytes(std::int64_t value) {
    const auto width = static_cast<std::size_t>(std::bit_width(to_zigzag(value) | 1U));
    return (width + bits_per_byte - 1) / bits_per_byte;
}

std::int64_t ByteReader::read_long_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift <= shift_max; shift += bits_per_byte) {
        const auto byte = std::to_integer<std::uint64_t>(read_byte());
        value |= (byte & (more_bit - 1)) << shift;
        if ((byte & more_bit) == 0) {
            return failed_ ? 0 : detail::from_zigzag(value);
        }
    }
    fail();
    return 0;
}

}  // namespace millrace::wire
