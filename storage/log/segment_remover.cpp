#include "storage/log/segment_remover.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/logging.hpp"
#include "storage/base/units.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t piece_bytes = 4_MiB;
constexpr Duration piece_pause{8'000};

}  // namespace

void SegmentRemover::add(std::string path, std::uint64_t bytes) {
    files_.push_back({.path = std::move(path), .bytes = bytes});
    bytes_ += bytes;
}

void SegmentRemover::go_on() {
    if (files_.empty() || is_stepping_ || clock_.steady_now() < rests_until_) {
        return;
    }
    is_stepping_ = true;
    background_.start([this, file = files_.front()]() -> Background::Ending {
        return [this, left = step(file)] { take(left); };
    });
}

Result<SegmentRemover::Leaving> SegmentRemover::step(Leaving file) const {
    if (!file.is_moved) {
        MILLRACE_TRY(disk_.sync_directory(directory_));
        file.is_moved = true;
    }
    if (file.bytes > piece_bytes) {
        file.bytes -= piece_bytes;
        MILLRACE_TRY(disk_.truncate(file.path, file.bytes));
    } else {
        file.bytes = 0;
        MILLRACE_TRY(disk_.remove(file.path));
    }
    return file;
}

void SegmentRemover::take(const Result<Leaving>& left) {
    is_stepping_ = false;
    auto& file = files_.front();
    const auto gone = file.bytes - (left ? left.value().bytes : 0);
    bytes_ -= gone;
    rests_until_ = clock_.steady_now() + piece_pause * std::min(gone, piece_bytes) / piece_bytes;
    if (left && left.value().bytes > 0) {
        file = left.value();
        return;
    }
    if (!left) {
        log_warning("storage", "a segment is removed at the next start: " + left.error().text);
    }
    files_.pop_front();
}

}  // namespace millrace::storage
