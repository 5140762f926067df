#include "storage/log/segment_maker.hpp"

#include <algorithm>
#include <utility>

#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t fill_step_bytes = 256_KiB;
/// After a step, while filling is ahead of the log: 32 MiB a second.
constexpr Duration fill_rest{8'000};

/// One for the process: clearing it anew for each step took a twentieth of a busy shard's time.
std::span<const std::byte> zeros() {
    static const AlignedBuffer memory = [] {
        AlignedBuffer made(fill_step_bytes);
        std::ranges::fill(made.span(), std::byte{0});
        return made;
    }();
    return memory.span();
}

/// How much is to be filled when so much of the segment before it is written: all when four fifths
/// of that are.
std::size_t filled_wanted(const SegmentMaker::Plan& plan, std::size_t used) {
    return (used + used / 4) * plan.bytes / std::max(plan.bytes_before, disk_alignment);
}

/// Of a step while filling is behind: a larger segment than the one before it needs larger ones.
std::size_t step_bytes(const SegmentMaker::Plan& plan) {
    const auto before = std::max(plan.bytes_before, disk_alignment);
    return fill_step_bytes * ((plan.bytes + before - 1) / before);
}

}  // namespace

void SegmentMaker::begin(Plan plan) {
    progress_ = {.file = nullptr, .filled = plan.is_recycled ? plan.bytes : 0};
    plan_ = std::move(plan);
    made_.reset();
    rests_until_ = {};
}

void SegmentMaker::go_on(std::size_t used) {
    if (!plan_ || made_ || is_stepping_) {
        return;
    }
    if (progress_.filled <= filled_wanted(*plan_, used)) {
        start_step(step_bytes(*plan_));
    } else if (clock_.steady_now() >= rests_until_) {
        start_step(fill_step_bytes);
    }
}

Result<Segment> SegmentMaker::take() {
    while (!made_) {
        if (!is_stepping_) {
            start_step(plan_->bytes);
        }
        background_.finish();
    }
    plan_.reset();
    auto made = std::move(*made_);
    made_.reset();
    return made;
}

void SegmentMaker::start_step(std::size_t bytes_max) {
    is_stepping_ = true;
    background_.start([this, plan = *plan_, progress = progress_, bytes_max] {
        return step(plan, progress, bytes_max);
    });
}

Background::Ending SegmentMaker::step(const Plan& plan,
                                      const Progress& progress,
                                      std::size_t bytes_max) {
    if (progress.filled >= plan.bytes) {
        return [this, made = finish_file(plan)] { take_made(made); };
    }
    return [this, filled = fill(plan, progress, bytes_max)] { take_filled(filled); };
}

void SegmentMaker::take_filled(const Result<Progress>& filled) {
    is_stepping_ = false;
    rests_until_ = clock_.steady_now() + fill_rest;
    if (filled) {
        progress_ = filled.value();
    } else {
        made_ = filled.error();
    }
}

void SegmentMaker::take_made(const Result<Segment>& made) {
    is_stepping_ = false;
    progress_ = {};
    made_ = made;
}

Result<SegmentMaker::Progress> SegmentMaker::fill(const Plan& plan,
                                                  Progress progress,
                                                  std::size_t bytes_max) const {
    const auto write = [&]() -> Result<void> {
        if (!progress.file) {
            // Zeros in the page cache would push out what readers still want.
            MILLRACE_TRY(progress.file, create(disk_, plan.source));
        }
        const auto end = std::min(plan.bytes, progress.filled + bytes_max);
        while (progress.filled < end) {
            const auto bytes = std::min(fill_step_bytes, end - progress.filled);
            MILLRACE_TRY(progress.file->write_now(Position{progress.filled}, zeros().first(bytes)));
            progress.filled += bytes;
        }
        return progress.filled < plan.bytes ? ok() : progress.file->sync_now();
    };
    if (auto written = write(); !written) {
        progress.file.reset();
        // Gives the space back; the first error is the one to report.
        (void)disk_.remove(plan.source);
        return written.error();
    }
    return progress;
}

Result<std::shared_ptr<File>> SegmentMaker::create(Disk& disk, const std::string& path) {
    MILLRACE_TRY(auto made, disk.open(path, OpenMode::create));
    made.reset();
    MILLRACE_TRY(std::shared_ptr<File> file, disk.open(path, OpenMode::direct_write));
    return file;
}

Result<void> SegmentMaker::finish(Disk& disk, File& file, const Plan& plan) {
    AlignedBuffer bytes(disk_alignment);
    store_segment_header(bytes.span(), plan.header);
    MILLRACE_TRY(file.write_now(Position{0}, bytes.span()));
    MILLRACE_TRY(file.sync_now());
    MILLRACE_TRY(disk.rename(plan.source, plan.path));
    return disk.sync_directory(plan.directory);
}

Result<Segment> SegmentMaker::finish_file(const Plan& plan) const {
    MILLRACE_TRY(std::shared_ptr<File> file, disk_.open(plan.source, OpenMode::direct_write));
    MILLRACE_TRY(finish(disk_, *file, plan));
    return Segment{.header = plan.header,
                   .file = std::move(file),
                   .path = plan.path,
                   .file_bytes = plan.bytes};
}

}  // namespace millrace::storage
