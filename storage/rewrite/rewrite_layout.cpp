#include "storage/rewrite/rewrite_layout.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "storage/format/layout.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t frames_of_a_commit = 4;

/// Puts frames behind each other into commits of a bounded size.
class Placer {
  public:
    Placer(std::vector<PlacedCommit>& commits, std::size_t commit_bytes_max)
        : commits_(commits), commit_bytes_max_(commit_bytes_max) {}

    [[nodiscard]] std::size_t frame_payload_max() const {
        return commit_bytes_max_ / frames_of_a_commit;
    }
    /// Returns where the frame's payload begins in the file.
    std::uint64_t place(PlacedFrame frame) {
        const auto bytes = frame_bytes(frame.payload_bytes);
        if (commits_.empty() || is_closed_ || commits_.back().bytes + bytes > commit_bytes_max_) {
            open_commit();
        }
        auto& commit = commits_.back();
        frame.at = commit.bytes;
        commit.bytes += bytes;
        commit.frames.push_back(std::move(frame));
        return commit.position + commit.frames.back().at + frame_header_bytes;
    }
    /// What follows begins with a commit of its own.
    void close_commit() { is_closed_ = true; }
    [[nodiscard]] std::uint64_t end() const {
        return commits_.empty() ? disk_alignment
                                : commits_.back().position + commits_.back().disk_bytes();
    }

  private:
    void open_commit() {
        const auto position = end();
        commits_.push_back({.position = position, .bytes = CommitHeader::bytes});
        is_closed_ = false;
    }

    std::vector<PlacedCommit>& commits_;
    std::size_t commit_bytes_max_;
    bool is_closed_ = false;
};

void place_batches(RewriteLayout& layout, Placer& placer) {
    auto& moves = layout.moves;
    for (std::size_t first = 0; first < moves.size();) {
        auto last = first;
        std::size_t bytes = 0;
        do {
            bytes += moves[last++].batch.run_bytes;
        } while (last < moves.size() &&
                 bytes + moves[last].batch.run_bytes <= placer.frame_payload_max());
        auto at = placer.place(
            {.payload_bytes = bytes, .batch_count = static_cast<std::uint32_t>(last - first)});
        auto& commit = layout.commits.back();
        commit.first_move = commit.move_count == 0 ? first : commit.first_move;
        commit.move_count += last - first;
        for (; first < last; ++first) {
            moves[first].batch.position = at;
            at += moves[first].batch.run_bytes;
        }
    }
}

void place_order(const std::vector<BatchMove>& moves, Placer& placer) {
    std::vector<OrderedBatch> order;
    order.reserve(moves.size());
    for (const auto& move : moves) {
        order.push_back(move.batch);
    }
    std::ranges::sort(order, {}, &OrderedBatch::appended_at);
    // A batch takes less than a hundred bytes of the last frame, which is let be that much longer.
    std::span<const OrderedBatch> rest(order);
    do {
        auto payload = format_append_order(rest, placer.frame_payload_max());
        const auto bytes = payload.size();
        (void)placer.place({.payload_bytes = bytes, .order = std::move(payload)});
    } while (!rest.empty());
}

}  // namespace

std::size_t PlacedCommit::disk_bytes() const {
    return align_up(bytes, disk_alignment);
}

RewriteLayout lay_out(std::vector<BatchMove> moves, std::size_t commit_bytes_max) {
    RewriteLayout layout{.moves = std::move(moves)};
    std::ranges::sort(layout.moves, {}, [](const BatchMove& move) {
        return std::pair(move.batch.partition, move.batch.base_offset);
    });
    Placer placer(layout.commits, commit_bytes_max);
    place_batches(layout, placer);
    placer.close_commit();
    layout.order_block = static_cast<std::uint32_t>(placer.end() / disk_alignment);
    place_order(layout.moves, placer);
    layout.file_bytes = placer.end();
    return layout;
}

}  // namespace millrace::storage
