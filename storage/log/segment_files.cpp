#include "storage/log/segment_files.hpp"

#include <algorithm>
#include <charconv>

#include "storage/base/logging.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t fill_step_bytes = 1_MiB;
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
      background_(background),
      log_directory_(options.directory + "/log"),
      free_directory_(log_directory_ + "/free") {}

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
            segments_[*sequence] =
                Segment{.header = header.value(), .file = std::move(file), .path = path};
        } else if (!header && header.error().code == Errc::newer_format) {
            return fail(Errc::newer_format, path + ": " + header.error().text);
        } else {
            broken.push_back(path);
        }
    }
    MILLRACE_TRY(const auto spare, disk_.list(free_directory_));
    for (const auto& name : spare) {
        free_.push_back(name);
        free_number_ =
            std::max(free_number_, sequence_of(name).value_or(SegmentSequence{0}).value + 1);
    }
    return ok();
}

const Segment* SegmentFiles::find(SegmentSequence sequence) const {
    const auto found = segments_.find(sequence);
    return found == segments_.end() ? nullptr : &found->second;
}

SegmentSequence SegmentFiles::next_sequence() const {
    return last_taken_ + 1;
}

Result<void> SegmentFiles::make_zeros(const std::string& path) const {
    MILLRACE_TRY(auto made, disk_.open(path, OpenMode::create));
    made.reset();
    // Past the page cache: zeros there would push out what readers still want.
    MILLRACE_TRY(const auto file, disk_.open(path, OpenMode::direct_write));
    AlignedBuffer zeros(fill_step_bytes);
    std::ranges::fill(zeros.span(), std::byte{0});
    for (std::size_t at = 0; at < options_.segment_bytes; at += fill_step_bytes) {
        const auto bytes = std::min(fill_step_bytes, options_.segment_bytes - at);
        MILLRACE_TRY(file->write_now(Position{at}, zeros.span().first(bytes)));
    }
    return file->sync_now();
}

Result<Segment> SegmentFiles::make_file(SegmentSequence sequence,
                                        const std::string& recycled) const {
    const auto path = path_of(sequence);
    const auto source = recycled.empty() ? path + ".new" : free_directory_ + "/" + recycled;
    if (recycled.empty()) {
        if (auto filled = make_zeros(source); !filled) {
            (void)disk_.remove(
                source);  // gives the space back; the first error is the one to report
            return filled.error();
        }
    }
    const SegmentHeader header{.sequence = sequence,
                               .shard = options_.shard,
                               .writer_epoch = epoch_,
                               .created_us = clock_.unix_now(),
                               .hash_seed = entropy_seed()};
    AlignedBuffer bytes(disk_alignment);
    store_segment_header(bytes.span(), header);
    MILLRACE_TRY(std::shared_ptr<File> file, disk_.open(source, OpenMode::direct_write));
    MILLRACE_TRY(file->write_now(Position{0}, bytes.span()));
    MILLRACE_TRY(file->sync_now());
    MILLRACE_TRY(disk_.rename(source, path));
    MILLRACE_TRY(disk_.sync_directory(log_directory_));
    return Segment{.header = header, .file = std::move(file), .path = path};
}

SegmentFiles::Made SegmentFiles::make(SegmentSequence sequence, const std::string& recycled) const {
    auto result = make_file(sequence, recycled);
    if (!result) {
        return Made{.segment = std::nullopt, .error = result.error()};
    }
    return Made{.segment = std::move(result).value(), .error = std::nullopt};
}

void SegmentFiles::prepare_next() {
    if (is_making_ || (made_ && made_->segment)) {
        return;
    }
    std::string recycled;
    if (!free_.empty()) {
        recycled = std::move(free_.back());
        free_.pop_back();
    }
    is_making_ = true;
    background_.start([this, sequence = next_sequence(), recycled] {
        return [this, made = make(sequence, recycled)] {
            is_making_ = false;
            made_ = made;
        };
    });
}

Result<const Segment*> SegmentFiles::take_next() {
    if (!made_ || !made_->segment) {
        prepare_next();
        background_.finish();
    }
    const auto made = std::move(*made_);
    made_.reset();
    if (made.error) {
        return *made.error;
    }
    last_taken_ = made.segment->header.sequence;
    auto& segment = segments_[last_taken_] = *made.segment;
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
    segments_.erase(found);
    Result<void> done = ok();
    if (free_.size() < options_.free_segments_max) {
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
