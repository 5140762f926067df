#include "client/wire/partitioner.hpp"

#include <xxhash.h>

namespace millrace::wire {

std::uint64_t stable_hash(std::string_view text) {
    return XXH3_64bits(text.data(), text.size());
}

std::uint32_t partition_of_key(std::string_view key, std::uint32_t partition_count) {
    return static_cast<std::uint32_t>(stable_hash(key) % partition_count);
}

}  // namespace millrace::wire
