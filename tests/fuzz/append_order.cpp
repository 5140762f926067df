// What a rewritten segment says of the order in which its batches were appended.
#include "storage/format/append_order.hpp"

#include "tests/fuzz/fuzz_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    std::vector<storage::OrderedBatch> batches;
    if (!storage::parse_append_order(fuzz::bytes_of(data, size), batches)) {
        return 0;
    }
    std::vector<storage::OrderedBatch> again;
    for (std::span<const storage::OrderedBatch> rest(batches); !rest.empty();) {
        const auto payload = storage::format_append_order(rest, 64);
        const auto parsed = storage::parse_append_order(std::as_bytes(std::span(payload)), again);
        fuzz::check(parsed.has_value(), "what was written is read");
    }
    fuzz::check(again == batches, "what was read is written as it was");
    return 0;
}
