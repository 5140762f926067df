#include "storage/repair/damaged_file.hpp"

#include <algorithm>

#include "storage/format/layout.hpp"

namespace millrace::storage {
namespace {

constexpr int unreadable_blocks_max = 64;

}  // namespace

Result<std::span<const std::byte>> DamagedFile::at(std::uint64_t at, std::size_t bytes) {
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, at < end_ ? end_ - at : 0));
    if (bytes == 0) {
        return std::span<const std::byte>();
    }
    if (at < base_ || at + bytes > base_ + filled_) {
        MILLRACE_TRY(fill(at));
        bytes = std::min(bytes, filled_);
    }
    return std::span<const std::byte>(memory_.span()).subspan(at - base_, bytes);
}

Result<void> DamagedFile::fill(std::uint64_t at) {
    const auto out = memory_.span().first(
        static_cast<std::size_t>(std::min<std::uint64_t>(window_bytes, end_ - at)));
    base_ = at;
    filled_ = 0;
    const auto taken = file_.read_now(Position{at}, out);
    if (!taken) {
        MILLRACE_TRY(read_blocks(at, out));
    }
    filled_ = taken ? taken.value() : out.size();
    bytes_read_ += filled_;
    return ok();
}

Result<void> DamagedFile::read_blocks(std::uint64_t at, std::span<std::byte> out) {
    for (std::size_t done = 0; done < out.size(); done += disk_alignment) {
        const auto block = out.subspan(done, disk_alignment);
        const auto taken = file_.read_now(Position{at + done}, block);
        if (taken && taken.value() == block.size()) {
            continue;
        }
        if (++unreadable_ > unreadable_blocks_max) {
            return taken ? fail(Errc::io, "a segment's file ends early") : taken.error();
        }
        std::ranges::fill(block, std::byte{0});
    }
    return ok();
}

}  // namespace millrace::storage
