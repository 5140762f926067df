#include "storage/copy/shard_copy.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "storage/base/bytes.hpp"
#include "storage/copy/copy_paths.hpp"
#include "storage/copy/segment_check.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/io/pace.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/log/segment_maker.hpp"

namespace millrace::storage {
namespace {

/// A file of the copy.
struct CopiedSegment {
    std::string path;
    SegmentHeader header;
    std::uint64_t finished_bytes = 0;  ///< verified, padded and durable in this run; 0: not yet
};

class ShardCopier {
  public:
    ShardCopier(Disk& disk, SegmentSource& source, const CopyOptions& options)
        : disk_(disk),
          source_(source),
          options_(options),
          paths_(options.directory),
          memory_(
              align_down(std::clamp(options.read_bytes_max, disk_alignment, segment_read_bytes_max),
                         disk_alignment)) {}

    Result<void> run() {
        MILLRACE_TRY(begin());
        for (bool is_whole = false; !is_whole;) {
            MILLRACE_TRY(const auto wanted, list());
            MILLRACE_TRY(is_whole, pull_all(wanted));
        }
        MILLRACE_TRY(disk_.sync_directory(paths_.incoming_log));
        MILLRACE_TRY(disk_.sync_directory(paths_.incoming));
        return disk_.sync_directory(paths_.parent);
    }

  private:
    [[nodiscard]] static std::string what(const SegmentExtent& extent) {
        return "copy of segment " + std::to_string(extent.segment.value) + ": ";
    }

    Result<void> begin() {
        MILLRACE_TRY(const bool is_decided, disk_.exists(paths_.incoming_mark));
        if (is_decided) {
            return fail(Errc::conflict, paths_.incoming + " is whole and waits to be installed");
        }
        MILLRACE_TRY(disk_.make_directories(paths_.incoming_log));
        MILLRACE_TRY(const auto names, disk_.list(paths_.incoming_log));
        for (const auto& name : names) {
            MILLRACE_TRY(take_up(name));
        }
        return ok();
    }

    /// Of an earlier try. What it is and how far it goes is asked of nothing but the file itself.
    Result<void> take_up(const std::string& name) {
        const auto path = paths_.incoming_log + "/" + name;
        MILLRACE_TRY(const auto header, read_header(path));
        const auto parsed = parse_segment_name(name);
        const bool is_known = header && parsed && parsed->sequence == header->sequence;
        if (!is_known || files_.contains(header->sequence)) {
            return disk_.remove(path);
        }
        files_[header->sequence] = {.path = path, .header = *header};
        return ok();
    }

    /// Nothing where it does not verify.
    Result<std::optional<SegmentHeader>> read_header(const std::string& path) {
        MILLRACE_TRY(const auto file, disk_.open(path, OpenMode::direct_write));
        MILLRACE_TRY(const auto file_bytes, file->size_bytes());
        const auto head = memory_.span().first(disk_alignment);
        MILLRACE_TRY(const auto taken, file->read_now(Position{0}, head));
        const auto header = parse_segment_header(head.first(taken));
        const bool is_sound = header && file_bytes % disk_alignment == 0;
        return is_sound ? std::optional(header.value()) : std::nullopt;
    }

    Result<std::vector<SegmentExtent>> list() {
        MILLRACE_TRY(auto wanted, source_.list());
        MILLRACE_TRY(check_list(wanted));
        MILLRACE_TRY(remove_others(wanted));
        MILLRACE_TRY(check_space(wanted));
        return wanted;
    }

    [[nodiscard]] Result<void> check_list(const std::vector<SegmentExtent>& wanted) const {
        if (wanted.empty()) {
            return fail(Errc::unavailable, paths_.incoming + ": there is nothing to copy yet");
        }
        SegmentSequence before;
        for (const auto& extent : wanted) {
            const bool is_sound = extent.segment > before && extent.used_bytes > disk_alignment &&
                                  extent.used_bytes <= extent.file_bytes &&
                                  extent.used_bytes % disk_alignment == 0 &&
                                  extent.file_bytes % disk_alignment == 0;
            if (!is_sound) {
                return fail(Errc::malformed,
                            what(extent) + "listed with " + std::to_string(extent.used_bytes) +
                                " of " + std::to_string(extent.file_bytes) + " bytes, behind " +
                                std::to_string(before.value));
            }
            if (gone_ && gone_->segment == extent.segment && gone_->hash_seed == extent.hash_seed) {
                return fail(Errc::not_found, what(extent) + "listed, and not there to be read");
            }
            before = extent.segment;
        }
        return ok();
    }

    Result<void> remove_others(const std::vector<SegmentExtent>& wanted) {
        for (auto at = files_.begin(); at != files_.end();) {
            const auto found =
                std::ranges::lower_bound(wanted, at->first, {}, &SegmentExtent::segment);
            if (found != wanted.end() && found->segment == at->first &&
                found->hash_seed == at->second.header.hash_seed) {
                ++at;
                continue;
            }
            MILLRACE_TRY(disk_.remove(at->second.path));
            at = files_.erase(at);
        }
        return ok();
    }

    /// Of files that are begun already the rest is not counted.
    Result<void> check_space(const std::vector<SegmentExtent>& wanted) {
        std::uint64_t needed = 0;
        for (const auto& extent : wanted) {
            needed += files_.contains(extent.segment) ? 0 : extent.file_bytes;
        }
        MILLRACE_TRY(const auto free_bytes, disk_.free_bytes(paths_.incoming_log));
        if (needed > free_bytes) {
            return fail(Errc::out_of_space,
                        paths_.incoming + ": the copy needs " + std::to_string(needed) +
                            " bytes more, " + std::to_string(free_bytes) + " are free");
        }
        return ok();
    }

    /// False where something is gone, so that it must be listed again.
    Result<bool> pull_all(const std::vector<SegmentExtent>& wanted) {
        progress_ = {.segments = wanted.size()};
        for (const auto& extent : wanted) {
            progress_.bytes += extent.used_bytes;
        }
        for (const auto& extent : wanted) {
            const auto before = progress_.bytes_done;
            MILLRACE_TRY(const bool is_there, pull(extent));
            if (!is_there) {
                gone_ = extent;
                return false;
            }
            ++progress_.segments_done;
            report(before + extent.used_bytes);
        }
        return true;
    }

    void report(std::uint64_t bytes_done) {
        progress_.bytes_done = bytes_done;
        if (options_.on_progress) {
            options_.on_progress(progress_);
        }
    }

    /// False where the segment is gone.
    Result<bool> pull(const SegmentExtent& extent) {
        if (!files_.contains(extent.segment)) {
            MILLRACE_TRY(const bool is_begun, begin_file(extent));
            if (!is_begun) {
                return false;
            }
        }
        auto& copied = files_.at(extent.segment);
        if (copied.finished_bytes == extent.used_bytes) {
            return true;
        }
        MILLRACE_TRY(const auto file, disk_.open(copied.path, OpenMode::direct_write));
        SegmentCheck check(*file, copied.header);
        MILLRACE_TRY(check.go_on(extent.used_bytes, options_.is_stopping));
        MILLRACE_TRY(const bool is_there, fetch_from(check.verified_bytes(), extent, *file));
        if (!is_there) {
            return false;
        }
        MILLRACE_TRY(check.go_on(extent.used_bytes, options_.is_stopping));
        if (check.verified_bytes() != extent.used_bytes) {
            source_.doubt(extent);
            return fail(Errc::corrupt,
                        what(extent) + "position " + std::to_string(check.verified_bytes()) +
                            ": the commit there does not verify");
        }
        MILLRACE_TRY(finish_file(extent, *file));
        copied.finished_bytes = extent.used_bytes;
        return true;
    }

    /// The header comes alone and first: it says what the file's name is. False where the segment
    /// is gone.
    Result<bool> begin_file(const SegmentExtent& extent) {
        MILLRACE_TRY(const auto head, fetch(extent, 0, disk_alignment));
        if (!head) {
            return false;
        }
        const auto parsed = parse_segment_header(*head);
        if (!parsed) {
            source_.doubt(extent);
            return fail(parsed.error().code, what(extent) + parsed.error().text);
        }
        const auto& header = parsed.value();
        if (header.sequence != extent.segment || header.hash_seed != extent.hash_seed) {
            return fail(Errc::corrupt, what(extent) + "its header is that of another");
        }
        // Of the generations what counts is that there was one: a copy begins to count anew.
        const auto path = paths_.incoming_log + "/" +
                          format_segment_name({.sequence = header.sequence,
                                               .generation = header.is_rewritten() ? 1U : 0U});
        MILLRACE_TRY(const auto file, SegmentMaker::create(disk_, path));
        MILLRACE_TRY(write(*file, 0, *head));
        files_[header.sequence] = {.path = path, .header = header};
        return true;
    }

    /// False where the segment is gone.
    Result<bool> fetch_from(std::uint64_t at, const SegmentExtent& extent, File& file) {
        // Anew for each file, so that the time that verifying took is not made up for.
        Pace pace(options_.bytes_per_second, options_.is_stopping);
        const auto before = progress_.bytes_done;
        while (at < extent.used_bytes) {
            const auto bytes = std::min<std::uint64_t>(memory_.size(), extent.used_bytes - at);
            MILLRACE_TRY(const auto taken, fetch(extent, at, bytes));
            if (!taken) {
                return false;
            }
            MILLRACE_TRY(write(file, at, *taken));
            at += bytes;
            report(before + at);
            MILLRACE_TRY(pace.spend(bytes));
        }
        return true;
    }

    using Bytes = std::vector<std::byte>;
    /// Nothing where the segment is gone.
    Result<std::optional<Bytes>> fetch(const SegmentExtent& extent,
                                       std::uint64_t at,
                                       std::size_t bytes) {
        auto read = source_.read({.segment = extent.segment,
                                  .hash_seed = extent.hash_seed,
                                  .position = Position{at},
                                  .bytes = bytes});
        if (!read && read.error().code == Errc::not_found) {
            return std::optional<Bytes>{};
        }
        if (!read && read.error().code == Errc::io) {
            source_.doubt(extent);
        }
        MILLRACE_TRY(auto taken, std::move(read));
        if (taken.size() != bytes) {
            return fail(Errc::malformed,
                        what(extent) + "asked for " + std::to_string(bytes) + " bytes, got " +
                            std::to_string(taken.size()));
        }
        return std::optional(std::move(taken));
    }

    /// Through memory that O_DIRECT takes.
    Result<void> write(File& file, std::uint64_t at, std::span<const std::byte> bytes) {
        const auto out = memory_.span().first(bytes.size());
        copy_bytes(bytes, out);
        return file.write_now(Position{at}, out);
    }

    /// Zeros up to the length that the store gave it, so that it can be recycled later, and so that
    /// nothing lies behind its end that another try had from a leader before.
    Result<void> finish_file(const SegmentExtent& extent, File& file) {
        MILLRACE_TRY(const auto file_bytes, file.size_bytes());
        const auto end = std::max(file_bytes, extent.file_bytes);
        for (auto at = extent.used_bytes; at < end; at += memory_.size()) {
            const auto out = memory_.span().first(
                static_cast<std::size_t>(std::min<std::uint64_t>(memory_.size(), end - at)));
            MILLRACE_TRY(const auto taken, file.read_now(Position{at}, out));
            if (taken < out.size() || !is_clear(out)) {
                std::ranges::fill(out, std::byte{0});
                MILLRACE_TRY(file.write_now(Position{at}, out));
            }
        }
        return file.sync_now();
    }

    Disk& disk_;
    SegmentSource& source_;
    const CopyOptions& options_;
    CopyPaths paths_;
    AlignedBuffer memory_;
    std::map<SegmentSequence, CopiedSegment> files_;
    std::optional<SegmentExtent> gone_;  ///< why it was listed again
    CopyProgress progress_;
};

}  // namespace

Result<void> copy_shard(Disk& disk, SegmentSource& source, const CopyOptions& options) {
    return ShardCopier(disk, source, options).run();
}

}  // namespace millrace::storage
