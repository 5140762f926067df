#include "storage/log/segment_remover.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/logging.hpp"
#include "storage/base/units.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t piece_bytes = 4_MiB;
constexpr Duration piece_pause{8'000};

}  // namespace

void SegmentRemover::add(Leaving file) {
    bytes_ += file.bytes - file.kept;
    files_.push_back(std::move(file));
}

void SegmentRemover::forget(const std::string& path) {
    const auto file = std::ranges::find(files_, path, &Leaving::path);
    if (file == files_.end()) {
        return;
    }
    if (is_stepping_ && file == files_.begin()) {
        file->is_forgotten = true;
        return;
    }
    bytes_ -= file->bytes - file->kept;
    files_.erase(file);
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

Result<SegmentRemover::Leaving> SegmentRemover::step_back(Leaving file) const {
    const auto end = std::max(file.kept, file.bytes - std::min(file.bytes, piece_bytes));
    AlignedBuffer memory(static_cast<std::size_t>(file.bytes - end));
    MILLRACE_TRY(const auto opened, disk_.open(file.path, OpenMode::direct_write));
    MILLRACE_TRY(const auto bytes, opened->read_now(Position{end}, memory.span()));
    if (!is_clear(memory.span().first(bytes))) {
        file.bytes = file.kept;  // the rest stays
        return file;
    }
    file.bytes = end;
    MILLRACE_TRY(disk_.truncate(file.path, file.bytes));
    return file;
}

Result<SegmentRemover::Leaving> SegmentRemover::step(Leaving file) const {
    if (file.kept > 0) {
        return step_back(std::move(file));
    }
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
    const bool is_done = !left || file.is_forgotten || left.value().bytes == file.kept;
    const auto gone = file.bytes - (is_done ? file.kept : left.value().bytes);
    bytes_ -= gone;
    rests_until_ = clock_.steady_now() + piece_pause * std::min(gone, piece_bytes) / piece_bytes;
    if (!is_done) {
        file = left.value();
        return;
    }
    if (!left && !file.is_forgotten) {
        log_warning(
            "storage",
            "the space of " + file.path + " comes back after the next start: " + left.error().text);
    }
    files_.pop_front();
}

}  // namespace millrace::storage
