#include "storage/copy/segment_check.hpp"

#include "storage/format/frame_walk.hpp"
#include "storage/log/frame_reader.hpp"

namespace millrace::storage {

bool SegmentCheck::is_next(const CommitHeader& commit) const {
    return commit.writer_epoch == static_cast<std::uint32_t>(header_.writer_epoch) &&
           (!last_ || commit.sequence == *last_ + 1);
}

Result<void> SegmentCheck::go_on(std::uint64_t end, const std::atomic<bool>& is_stopping) {
    FileWindow window(file_, end);
    while (verified_bytes_ < end) {
        if (is_stopping.load(std::memory_order_relaxed)) {
            return fail(Errc::shutting_down, "the store is closing");
        }
        MILLRACE_TRY(const auto head, window.at(verified_bytes_, disk_alignment));
        const auto commit = load_commit_header(head, header_.hash_seed);
        if (!commit || !is_next(*commit) || commit->total_bytes > end - verified_bytes_) {
            break;
        }
        MILLRACE_TRY(const auto bytes, window.at(verified_bytes_, commit->total_bytes));
        const auto damage =
            walk_frames(bytes, *commit, header_.hash_seed, [](const FrameView&, std::size_t) {});
        if (bytes.size() < commit->total_bytes || damage.frames > 0) {
            break;
        }
        verified_bytes_ += commit->total_bytes;
        last_ = commit->sequence;
    }
    return ok();
}

}  // namespace millrace::storage
