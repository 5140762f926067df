// What one replica of a group sends another. The checksum is made right, or nothing behind it would
// ever be reached.
#include <cstring>

#include <xxhash.h>

#include "tests/fuzz/fuzz_check.hpp"

#include "broker/consensus/peer_message.hpp"
#include "storage/base/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    const auto given = fuzz::bytes_of(data, size);
    std::vector<std::byte> bytes(sizeof(std::uint64_t));
    bytes.insert(bytes.end(), given.begin(), given.end());
    store_le(std::span(bytes), std::uint64_t{XXH3_64bits(data, size)});
    auto message = broker::consensus::decode_message(bytes);
    if (!message) {
        return 0;
    }
    const auto again = broker::consensus::encode_message(message.value());
    auto parsed = broker::consensus::decode_message(again);
    fuzz::check(parsed.has_value(), "what was written is read");
    const auto twice = broker::consensus::encode_message(parsed.value());
    fuzz::check(again == twice, "what was read is written as it was");
    broker::consensus::drop_message(message.value());
    broker::consensus::drop_message(parsed.value());
    return 0;
}
