// What nodes exchange beside consensus; the first byte says which.
#include "tests/fuzz/fuzz_check.hpp"

#include "broker/peers/frame_compression.hpp"
#include "storage/repair/entry_image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    if (size == 0) {
        return 0;
    }
    const auto text = fuzz::bytes_of(data, size).subspan(1);
    switch (data[0] % 7) {
        case 0:
            (void)broker::peers::parse_hello(text);
            break;
        case 1:
            (void)broker::peers::parse_listing(text);
            break;
        case 2:
            (void)broker::peers::parse_read_request(text);
            break;
        case 4:
            if (const auto request = broker::peers::parse_entry_request(text)) {
                (void)broker::peers::format_entry_request(1, request.value());
            }
            break;
        case 5:
            (void)storage::parse_entry_image(
                text, {.group = GroupId{1}, .index = RaftIndex{1}, .term = {}});
            break;
        case 6:
            (void)broker::peers::parse_compressed(text);
            break;
        default:
            (void)broker::peers::parse_refusal(text);
    }
    return 0;
}
