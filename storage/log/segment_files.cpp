#include "storage/log/segment_files.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "storage/base/logging.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view suffix = ".seg";
constexpr std::size_t name_digits = 16;
constexpr char generation_mark = '-';
constexpr std::string_view new_suffix = ".new";
/// Less at the end of a file is not worth the work: a full segment ends less than a commit before
/// its file does.
constexpr std::uint64_t trimmed_bytes_min = 4_MiB;
constexpr std::uint64_t trimmed_share_min = 8;  ///< the same of small segments: one in so many

bool is_half_repaired(std::string_view name) {
    if (!name.ends_with(repair_suffix)) {
        return false;
    }
    name.remove_suffix(repair_suffix.size());
    return parse_segment_name(name).has_value();
}

bool is_half_rewritten(std::string_view name) {
    if (!name.ends_with(new_suffix)) {
        return false;
    }
    name.remove_suffix(new_suffix.size());
    const auto parsed = parse_segment_name(name);
    return parsed && parsed->generation > 0;
}

}  // namespace

std::string format_segment_name(const SegmentName& name) {
    const auto digits = std::to_string(name.sequence.value);
    auto text = std::string(name_digits - std::min(name_digits, digits.size()), '0') + digits;
    if (name.generation > 0) {
        text += generation_mark + std::to_string(name.generation);
    }
    return text + std::string(suffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
    if (!name.ends_with(suffix)) {
        return std::nullopt;
    }
    name.remove_suffix(suffix.size());
    SegmentName parsed;
    const auto* const end = name.data() + name.size();
    auto read = std::from_chars(name.data(), end, parsed.sequence.value);
    if (read.ec == std::errc{} && read.ptr != end && *read.ptr == generation_mark) {
        read = std::from_chars(read.ptr + 1, end, parsed.generation);
    }
    return read.ec == std::errc{} && read.ptr == end ? std::optional(parsed) : std::nullopt;
}

SegmentFiles::SegmentFiles(Disk& disk,
                           const Clock& clock,
                           const StoreOptions& options,
                           Background& background)
    : disk_(disk),
      clock_(clock),
      options_(options),
      log_directory_(options.directory + "/log"),
      free_directory_(log_directory_ + "/free"),
      maker_(disk, clock, background),
      remover_(disk, clock, background, log_directory_) {}

std::string SegmentFiles::path_of(SegmentSequence sequence, std::uint32_t generation) const {
    return log_directory_ + "/" +
           format_segment_name({.sequence = sequence, .generation = generation});
}

Result<void> SegmentFiles::make_directories() {
    MILLRACE_TRY(disk_.make_directories(free_directory_));
    return disk_.make_directories(options_.directory + "/index");
}

Result<void> SegmentFiles::open_all(const KnownGeneration& known,
                                    std::vector<std::string>& broken) {
    MILLRACE_TRY(const auto names, disk_.list(log_directory_));
    std::map<SegmentSequence, std::vector<std::uint32_t>> found;
    for (const auto& name : names) {
        if (const auto parsed = parse_segment_name(name)) {
            found[parsed->sequence].push_back(parsed->generation);
        } else if (is_half_rewritten(name) || is_half_repaired(name)) {
            MILLRACE_TRY(disk_.remove(log_directory_ + "/" + name));
        }
    }
    for (auto& [sequence, generations] : found) {
        last_taken_ = std::max(last_taken_, sequence);
        const auto wanted = known(sequence);
        std::ranges::sort(generations, std::greater{}, [&wanted](std::uint32_t generation) {
            return std::pair(generation == wanted, generation);
        });
        MILLRACE_TRY(open_one(sequence, generations, wanted.has_value(), broken));
    }
    return open_free();
}

Result<void> SegmentFiles::open_one(SegmentSequence sequence,
                                    std::span<const std::uint32_t> generations,
                                    bool is_known,
                                    std::vector<std::string>& broken) {
    for (const auto generation : generations) {
        const auto path = path_of(sequence, generation);
        if (segments_.contains(sequence)) {
            MILLRACE_TRY(disk_.remove(path));
            continue;
        }
        MILLRACE_TRY(auto opened, open_file(sequence, generation));
        if (opened) {
            segments_[sequence] = std::move(*opened);
        } else {
            broken.push_back(path);
        }
        if (is_known && !segments_.contains(sequence)) {
            break;  // the index's places are those of no other
        }
    }
    return ok();
}

Result<std::optional<Segment>> SegmentFiles::open_file(SegmentSequence sequence,
                                                       std::uint32_t generation) {
    const auto path = path_of(sequence, generation);
    MILLRACE_TRY(auto file, disk_.open(path, OpenMode::direct_write));
    AlignedBuffer bytes(disk_alignment);
    MILLRACE_TRY(const auto taken, file->read_now(Position{0}, bytes.span()));
    auto header = parse_segment_header(bytes.span().first(taken));
    if (!header && header.error().code == Errc::newer_format) {
        return fail(Errc::newer_format, path + ": " + header.error().text);
    }
    if (!header || header.value().sequence != sequence) {
        return std::optional<Segment>{};
    }
    MILLRACE_TRY(const auto file_bytes, file->size_bytes());
    return std::optional(Segment{.header = header.value(),
                                 .file = std::move(file),
                                 .path = path,
                                 .file_bytes = file_bytes,
                                 .generation = generation});
}

Result<void> SegmentFiles::open_free() {
    MILLRACE_TRY(const auto spare, disk_.list(free_directory_));
    for (const auto& name : spare) {
        free_number_ = std::max(
            free_number_, parse_segment_name(name).value_or(SegmentName{}).sequence.value + 1);
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
    std::uint64_t total = free_.size() * options_.segment_bytes + remover_.bytes();
    for (const auto& [sequence, segment] : segments_) {
        total += segment.file_bytes;
    }
    for (const auto& replaced : replaced_) {
        total += replaced.segment.file_bytes;
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

/// Twice the one before it: a whole one could not be filled in time while a small one is written.
std::size_t SegmentFiles::made_bytes() const {
    return taken_bytes_ == 0 ? options_.first_segment_bytes : 2 * taken_bytes_;
}

SegmentMaker::Plan SegmentFiles::plan_next() {
    const auto sequence = next_sequence();
    SegmentMaker::Plan plan{.header = {.sequence = sequence,
                                       .shard = options_.shard,
                                       .writer_epoch = epoch_,
                                       .created_us = clock_.unix_now(),
                                       .hash_seed = entropy_seed()},
                            .directory = log_directory_,
                            .path = path_of(sequence, 0),
                            .source = path_of(sequence, 0) + std::string(new_suffix),
                            .bytes = std::min(options_.segment_bytes, made_bytes()),
                            .bytes_before = taken_bytes_};
    if (!free_.empty()) {
        plan.source = free_directory_ + "/" + free_.back();
        plan.is_recycled = true;
        plan.bytes = options_.segment_bytes;
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
    taken_bytes_ = made.file_bytes;
    auto& segment = segments_[last_taken_] = std::move(made);
    return &segment;
}

/// One that was rewritten has its append order behind its commits, and is as long as it has to be.
void SegmentFiles::trim(SegmentSequence sequence, std::uint64_t used_bytes) {
    const auto found = segments_.find(sequence);
    const auto end = align_up(used_bytes, disk_alignment);
    const auto worth = std::min(trimmed_bytes_min, options_.segment_bytes / trimmed_share_min);
    if (found == segments_.end() || found->second.generation > 0 || end == 0 ||
        found->second.file_bytes < end + worth) {
        return;
    }
    remover_.trim(found->second.path, found->second.file_bytes, end);
    found->second.file_bytes = end;
}

bool SegmentFiles::release(SegmentSequence sequence) {
    const auto found = segments_.find(sequence);
    if (found == segments_.end()) {
        return true;
    }
    if (found->second.file.use_count() > 1) {
        return false;
    }
    const auto segment = std::move(found->second);
    segments_.erase(found);
    give_back(segment);
    return true;
}

void SegmentFiles::replace(Segment rewritten) {
    auto& segment = segments_.at(rewritten.header.sequence);
    replaced_.push_back({.segment = std::exchange(segment, std::move(rewritten))});
}

Result<void> SegmentFiles::reopen(SegmentSequence sequence) {
    if (const auto found = segments_.find(sequence); found != segments_.end()) {
        MILLRACE_TRY(found->second.file, disk_.open(found->second.path, OpenMode::direct_write));
    }
    return ok();
}

void SegmentFiles::release_replaced() {
    std::erase_if(replaced_, [this](const Replaced& replaced) {
        const bool is_free = replaced.is_durable && replaced.segment.file.use_count() == 1;
        if (is_free) {
            give_back(replaced.segment);
        }
        return is_free;
    });
}

void SegmentFiles::cover_replaced() {
    for (auto& replaced : replaced_) {
        replaced.is_covered = true;
    }
}

void SegmentFiles::settle_replaced() {
    for (auto& replaced : replaced_) {
        replaced.is_durable = replaced.is_covered;
    }
}

void SegmentFiles::give_back(const Segment& segment) {
    auto name = std::to_string(free_number_++) + std::string(suffix);
    const auto path = free_directory_ + "/" + name;
    remover_.forget(segment.path);
    if (const auto moved = disk_.rename(segment.path, path); !moved) {
        log_warning("storage", "segment is not recycled: " + moved.error().text);
    } else if (segment.file_bytes == options_.segment_bytes &&
               free_.size() < options_.free_segments_max) {
        free_.push_back(std::move(name));
    } else {
        remover_.add(path, segment.file_bytes);  // of which a part may be on its way back
    }
}

}  // namespace millrace::storage
