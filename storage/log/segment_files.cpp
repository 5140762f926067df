#include "storage/log/segment_files.hpp"

#include <algorithm>
#include <charconv>

#include "storage/base/logging.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view suffix = ".seg";
constexpr std::size_t name_digits = 16;

std::optional<SegmentSequence> sequence_of(std::string_view name) {
    if (!name.ends_with(suffix)) {
        return std::nullopt;
    }
    name.remove_suffix(suffix.size());
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), value);
    if (code != std::errc{} || end != name.data() + name.size()) {
        return std::nullopt;
    }
    return SegmentSequence{value};
}

}  // namespace

SegmentFiles::SegmentFiles(Disk& disk,
                           const Clock& clock,
                           const StoreOptions& options,
                           Background& background)
    : disk_(disk),
      clock_(clock),
      options_(options),
      log_directory_(options.directory + "/log"),
      free_directory_(log_directory_ + "/free"),
      maker_(disk, clock, options, background) {}

std::string SegmentFiles::path_of(SegmentSequence sequence) const {
    const auto digits = std::to_string(sequence.value);
    return log_directory_ + "/" +
           std::string(name_digits - std::min(name_digits, digits.size()), '0') + digits +
           std::string(suffix);
}

Result<void> SegmentFiles::make_directories() {
    MILLRACE_TRY(disk_.make_directories(free_directory_));
    return disk_.make_directories(options_.directory + "/index");
}

Result<void> SegmentFiles::open_all(std::vector<std::string>& broken) {
    MILLRACE_TRY(const auto names, disk_.list(log_directory_));
    for (const auto& name : names) {
        const auto sequence = sequence_of(name);
        if (!sequence) {
            continue;
        }
        last_taken_ = std::max(last_taken_, *sequence);
        const auto path = log_directory_ + "/" + name;
        MILLRACE_TRY(auto file, disk_.open(path, OpenMode::direct_write));
        AlignedBuffer bytes(disk_alignment);
        MILLRACE_TRY(const auto taken, file->read_now(Position{0}, bytes.span()));
        auto header = parse_segment_header(bytes.span().first(taken));
        if (header && header.value().sequence == *sequence) {
            MILLRACE_TRY(const auto file_bytes, file->size_bytes());
            segments_[*sequence] = Segment{.header = header.value(),
                                           .file = std::move(file),
                                           .path = path,
                                           .file_bytes = file_bytes};
        } else if (!header && header.error().code == Errc::newer_format) {
            return fail(Errc::newer_format, path + ": " + header.error().text);
        } else {
            broken.push_back(path);
        }
    }
    return open_free();
}

Result<void> SegmentFiles::open_free() {
    MILLRACE_TRY(const auto spare, disk_.list(free_directory_));
    for (const auto& name : spare) {
        free_number_ =
            std::max(free_number_, sequence_of(name).value_or(SegmentSequence{0}).value + 1);
        const auto path = free_directory_ + "/" + name;
        MILLRACE_TRY(const auto file, disk_.open(path, OpenMode::read));
        MILLRACE_TRY(const auto file_bytes, file->size_bytes());
        if (file_bytes == options_.segment_bytes) {
            free_.push_back(name);
        } else {
            MILLRACE_TRY(disk_.remove(path));  // made when segment_bytes was another
        }
    }
    return ok();
}

std::uint64_t SegmentFiles::bytes() const {
    std::uint64_t total = free_.size() * options_.segment_bytes;
    for (const auto& [sequence, segment] : segments_) {
        total += segment.file_bytes;
    }
    return total;
}

const Segment* SegmentFiles::find(SegmentSequence sequence) const {
    const auto found = segments_.find(sequence);
    return found == segments_.end() ? nullptr : &found->second;
}

SegmentSequence SegmentFiles::next_sequence() const {
    return last_taken_ + 1;
}

SegmentMaker::Plan SegmentFiles::plan_next() {
    const auto sequence = next_sequence();
    SegmentMaker::Plan plan{.header = {.sequence = sequence,
                                       .shard = options_.shard,
                                       .writer_epoch = epoch_,
                                       .created_us = clock_.unix_now(),
                                       .hash_seed = entropy_seed()},
                            .directory = log_directory_,
                            .path = path_of(sequence),
                            .source = path_of(sequence) + ".new"};
    if (!free_.empty()) {
        plan.source = free_directory_ + "/" + free_.back();
        plan.is_recycled = true;
        free_.pop_back();
    }
    return plan;
}

void SegmentFiles::prepare_next() {
    if (!maker_.is_begun()) {
        maker_.begin(plan_next());
    }
}

Result<const Segment*> SegmentFiles::take_next() {
    prepare_next();
    MILLRACE_TRY(auto made, maker_.take());
    last_taken_ = made.header.sequence;
    auto& segment = segments_[last_taken_] = std::move(made);
    return &segment;
}

bool SegmentFiles::release(SegmentSequence sequence) {
    const auto found = segments_.find(sequence);
    if (found == segments_.end()) {
        return true;
    }
    if (found->second.file.use_count() > 1) {
        return false;
    }
    const auto path = found->second.path;
    const bool can_be_used_again = found->second.file_bytes == options_.segment_bytes;
    segments_.erase(found);
    Result<void> done = ok();
    if (can_be_used_again && free_.size() < options_.free_segments_max) {
        auto name = std::to_string(free_number_++) + std::string(suffix);
        done = disk_.rename(path, free_directory_ + "/" + name);
        if (done) {
            free_.push_back(std::move(name));
        }
    } else {
        done = disk_.remove(path);
    }
    if (!done) {
        log_warning("storage", "segment is not recycled: " + done.error().text);
    }
    return true;
}

}  // namespace millrace::storage
