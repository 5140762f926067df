// Copies of the state as frames: flags, part and number of each frame come from the input as well.
#include "storage/log/state_dump.hpp"

#include <algorithm>
#include <utility>

#include "tests/fuzz/fuzz_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    storage::StateDumpReader reader;
    auto rest = fuzz::bytes_of(data, size);
    while (!rest.empty()) {
        const auto flags = fuzz::take_byte(rest);
        const auto number = fuzz::take_byte(rest);
        const auto bytes = std::min<std::size_t>(fuzz::take_byte(rest), rest.size());
        const auto before = std::pair(reader.rows(), reader.ends());
        const auto added = reader.add({.kind = storage::FrameKind::checkpoint,
                                       .flags = static_cast<std::uint8_t>(flags & 3U),
                                       .entry_type = static_cast<std::uint16_t>(flags >> 2U),
                                       .index = RaftIndex{number},
                                       .payload = rest.first(bytes)});
        const bool may_end = added.has_value() && (flags & storage::dump_last) != 0;
        fuzz::check(may_end || std::pair(reader.rows(), reader.ends()) == before,
                    "only the last frame of a whole dump changes what stands");
        rest = rest.subspan(bytes);
    }
    return 0;
}
