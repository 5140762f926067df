#include "storage/base/crc32c.hpp"

#include <isa-l/crc.h>

namespace millrace {

std::uint32_t crc32c(std::span<const std::byte> bytes) noexcept {
    // The library takes a non-const pointer and an int, and leaves the inversions to the caller.
    auto* const data =
        const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
    return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~0U);
}

}  // namespace millrace
