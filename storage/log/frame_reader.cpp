#include "storage/log/frame_reader.hpp"

#include <algorithm>
#include <string>

namespace millrace::storage {

Result<std::span<const std::byte>> FileWindow::at(std::uint64_t at, std::size_t bytes) {
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, at < end_ ? end_ - at : 0));
    if (at < base_ || at + bytes > base_ + filled_) {
        base_ = at;
        MILLRACE_TRY(filled_,
                     file_.read_now(Position{at},
                                    memory_.span().first(std::min<std::size_t>(
                                        memory_.size(), align_up(end_ - at, disk_alignment)))));
        bytes = std::min(bytes, filled_);
    }
    return std::span<const std::byte>(memory_.span()).subspan(at - base_, bytes);
}

Result<std::span<const std::byte>> FrameReader::read(FramePlace place, std::size_t payload_bytes) {
    const auto name = [place] {
        return "segment " + std::to_string(place.segment.value) + ", position " +
               std::to_string(place.position.value);
    };
    const auto* const segment = files_.find(place.segment);
    if (segment == nullptr || segment->header.is_rewritten()) {
        open_.reset();
        return fail(Errc::not_found, name() + ": the entry that was there is in the log no more");
    }
    if (!open_ || open_->segment.header.hash_seed != segment->header.hash_seed) {
        open_.emplace(
            Open{.segment = *segment, .window = FileWindow(*segment->file, segment->file_bytes)});
    }
    const auto begin = align_down(place.position.value, disk_alignment);
    const auto skip = place.position.value - begin;
    MILLRACE_TRY(const auto bytes, open_->window.at(begin, skip + frame_bytes(payload_bytes)));
    const auto seed = seed_of(open_->segment.header.hash_seed, place.commit);
    const auto frame = load_frame(bytes.subspan(std::min(skip, bytes.size())), seed);
    if (!frame || frame->payload.size() != payload_bytes) {
        return fail(Errc::corrupt, name() + ": the entry that was there does not verify any more");
    }
    return frame->payload;
}

}  // namespace millrace::storage
