#include "storage/repair/entry_image.hpp"

#include <string>

namespace millrace::storage {

std::vector<std::byte> format_entry_image(const FrameView& frame) {
    std::vector<std::byte> image(frame_bytes(frame.payload.size()));
    store_frame(image, frame, entry_image_seed);
    return image;
}

Result<FrameView> parse_entry_image(std::span<const std::byte> image, const EntryRequest& request) {
    const auto frame = load_frame(image, entry_image_seed);
    const bool is_asked_for = frame && frame->kind == FrameKind::entry &&
                              frame->group == request.group && frame->index == request.index &&
                              (request.term == RaftTerm{} || frame->term == request.term);
    if (!is_asked_for) {
        return fail(Errc::malformed,
                    "entry " + std::to_string(request.index.value) + " of group " +
                        std::to_string(request.group.value) + ": another node sent something else");
    }
    return *frame;
}

}  // namespace millrace::storage
