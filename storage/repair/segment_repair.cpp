#include "storage/repair/segment_repair.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "storage/base/bytes.hpp"
#include "storage/copy/segment_check.hpp"
#include "storage/format/frame_walk.hpp"
#include "storage/io/pace.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/repair/commit_repair.hpp"
#include "storage/repair/damaged_file.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t region_bytes_max = 2_MiB;  ///< the largest commit
constexpr std::size_t repaired_bytes_max = 32_MiB;
constexpr std::uint32_t repaired_frames_max = 64;
constexpr std::size_t write_bytes = 1_MiB;
constexpr int commits_looked_ahead = 8;

/// Fetched bytes count like those of the disk.
class PacedSource final : public EntrySource {
  public:
    PacedSource(EntrySource& source, Pace& pace) : source_(source), pace_(pace) {}

    Result<std::vector<std::byte>> fetch(const EntryRequest& request) override {
        MILLRACE_TRY(auto image, source_.fetch(request));
        MILLRACE_TRY(pace_.spend(image.size()));
        return image;
    }

  private:
    EntrySource& source_;
    Pace& pace_;
};

/// The first of each group behind a commit: an entry, or nothing that is known.
void note_first(const FrameView& frame, EntryMarks& behind) {
    if (frame.kind == FrameKind::entry) {
        behind.try_emplace(frame.group, EntryMark{.index = frame.index, .term = frame.term});
    } else if (frame.kind == FrameKind::truncate) {
        behind.try_emplace(frame.group);
    }
}

class SegmentRepair {
  public:
    SegmentRepair(Disk& disk,
                  const RepairTask& task,
                  EntrySource& source,
                  const RepairOptions& options)
        : disk_(disk),
          task_(task),
          options_(options),
          header_(task.segment.header),
          end_(align_up(task.used_bytes, disk_alignment)),
          pace_(options.bytes_per_second, options.is_stopping),
          source_(source, pace_),
          own_(*task.segment.file, end_) {}

    Result<RepairOutcome> run() {
        MILLRACE_TRY(const bool is_header_sound, check_header());
        MILLRACE_TRY(look());
        if (is_header_sound && repaired_.empty()) {
            return RepairOutcome{};
        }
        if (const auto written = write(); !written) {
            // Gives the space back; the first error is the one to report.
            (void)disk_.remove(new_path());
            return written.error();
        }
        return RepairOutcome{.commits = static_cast<std::uint32_t>(repaired_.size()),
                             .frames = frames_,
                             .is_new_file = true};
    }

  private:
    /// Between commits that verify.
    struct Region {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        CommitSequence sequence;
        std::optional<CommitHeader> header;
    };

    [[nodiscard]] std::string new_path() const {
        return task_.segment.path + std::string(repair_suffix);
    }
    [[nodiscard]] Error lost(std::uint64_t at, const std::string& why) const {
        return fail(Errc::corrupt,
                    "segment " + std::to_string(header_.sequence.value) + ", position " +
                        std::to_string(at) + ": " + why);
    }

    Result<bool> check_header() {
        MILLRACE_TRY(const auto head, own_.at(0, disk_alignment));
        const auto header = parse_segment_header(head);
        return header && header.value().hash_seed == header_.hash_seed;
    }

    Result<std::span<const std::byte>> read(std::uint64_t at, std::size_t bytes) {
        const auto before = own_.bytes_read();
        MILLRACE_TRY(const auto found, own_.at(at, bytes));
        MILLRACE_TRY(pace_.spend(own_.bytes_read() - before));
        return found;
    }

    /// The header there, if it is one of this file behind `last`.
    Result<std::optional<CommitHeader>> header_at(std::uint64_t at,
                                                  std::optional<CommitSequence> last) {
        MILLRACE_TRY(const auto head, read(at, disk_alignment));
        const auto header = load_commit_header(head, header_.hash_seed);
        const bool is_ours =
            header && header->writer_epoch == static_cast<std::uint32_t>(header_.writer_epoch) &&
            header->total_bytes <= end_ - at && (!last || header->sequence > *last);
        return is_ours ? header : std::nullopt;
    }

    /// Goes through the segment and repairs what does not verify, in memory.
    Result<void> look() {
        for (std::uint64_t at = disk_alignment; at < end_;) {
            MILLRACE_TRY(const auto header, header_at(at, last_));
            const bool is_next = header && (!last_ || header->sequence == *last_ + 1);
            if (is_next) {
                MILLRACE_TRY(look_at(at, *header));
                at += header->total_bytes;
                continue;
            }
            MILLRACE_TRY(const auto region, find_region(at));
            MILLRACE_TRY(repair(region));
            at = region.end;
        }
        return ok();
    }

    Result<void> look_at(std::uint64_t at, const CommitHeader& header) {
        MILLRACE_TRY(const bool is_whole, take(at, header));
        return is_whole ? Result<void>(ok())
                        : repair({.begin = at,
                                  .end = at + header.total_bytes,
                                  .sequence = header.sequence,
                                  .header = header});
    }

    /// False where not all of its frames verify.
    Result<bool> take(std::uint64_t at, const CommitHeader& header) {
        MILLRACE_TRY(const auto bytes, read(at, header.total_bytes));
        return note(bytes, header);
    }

    bool note(std::span<const std::byte> bytes, const CommitHeader& header) {
        auto marks = before_;
        const auto damage = walk_frames(
            bytes, header, header_.hash_seed, [&marks](const FrameView& frame, std::size_t) {
                note_entry(frame, marks);
            });
        if (bytes.size() < header.total_bytes || damage.frames > 0) {
            return false;
        }
        before_ = std::move(marks);
        time_ = header.last_time_us;
        last_ = header.sequence;
        return true;
    }

    /// One commit whose header is lost: it reaches to the next header that verifies.
    Result<Region> find_region(std::uint64_t begin) {
        for (auto at = begin + disk_alignment; at <= begin + region_bytes_max;
             at += disk_alignment) {
            if (at >= end_ && last_) {
                return Region{.begin = begin, .end = end_, .sequence = *last_ + 1};
            }
            if (at >= end_) {
                break;
            }
            MILLRACE_TRY(const auto next, header_at(at, last_));
            if (!next) {
                continue;
            }
            if (last_ && next->sequence != *last_ + 2) {
                return lost(begin, "several commits do not verify");
            }
            return Region{.begin = begin, .end = at, .sequence = next->sequence - 1};
        }
        return lost(begin, "the log does not go on behind what does not verify");
    }

    Result<void> repair(const Region& region) {
        if (region.end - region.begin > region_bytes_max) {
            return lost(region.begin, "no commit is as large as what does not verify");
        }
        MILLRACE_TRY(const auto bytes,
                     read(region.begin, static_cast<std::size_t>(region.end - region.begin)));
        std::vector<std::byte> commit(bytes.begin(), bytes.end());
        commit.resize(region.end - region.begin);
        DamagedCommit damaged{.bytes = commit,
                              .sequence = region.sequence,
                              .header = region.header,
                              .before = before_,
                              .behind = {},
                              .time_before = time_};
        MILLRACE_TRY(look_ahead(region.end, damaged));
        const auto fetched = repair_commit(damaged, header_, source_);
        if (!fetched) {
            return fetched.error().code == Errc::corrupt ? lost(region.begin, fetched.error().text)
                                                         : fetched.error();
        }
        frames_ += fetched.value();
        repaired_bytes_ += commit.size();
        if (frames_ > repaired_frames_max || repaired_bytes_ > repaired_bytes_max) {
            return lost(region.begin, "too much does not verify");
        }
        const auto header = load_commit_header(commit, header_.hash_seed);
        if (!header || !note(commit, *header)) {
            return lost(region.begin, "what was fetched does not verify");
        }
        repaired_.emplace(region.begin, std::move(commit));
        return ok();
    }

    /// The first entries behind a commit, while all verifies.
    Result<void> look_ahead(std::uint64_t at, DamagedCommit& damaged) {
        auto sequence = damaged.sequence + 1;
        for (int i = 0; i < commits_looked_ahead && at < end_; ++i, ++sequence) {
            MILLRACE_TRY(const auto header, header_at(at, std::nullopt));
            if (!header || header->sequence != sequence) {
                break;
            }
            MILLRACE_TRY(const auto bytes, read(at, header->total_bytes));
            auto behind = damaged.behind;
            const auto damage = walk_frames(
                bytes, *header, header_.hash_seed, [&behind](const FrameView& frame, std::size_t) {
                    note_first(frame, behind);
                });
            if (damage.frames > 0) {
                break;
            }
            damaged.behind = std::move(behind);
            damaged.time_behind =
                damaged.time_behind == 0 ? header->first_time_us : damaged.time_behind;
            at += header->total_bytes;
        }
        return ok();
    }

    Result<void> write() {
        MILLRACE_TRY(const auto file, SegmentMaker::create(disk_, new_path()));
        AlignedBuffer memory(write_bytes);
        for (std::uint64_t at = disk_alignment; at < task_.segment.file_bytes; at += write_bytes) {
            const auto out = memory.span().first(static_cast<std::size_t>(
                std::min<std::uint64_t>(write_bytes, task_.segment.file_bytes - at)));
            MILLRACE_TRY(gather(at, out));
            MILLRACE_TRY(file->write_now(Position{at}, out));
            MILLRACE_TRY(pace_.spend(out.size()));
        }
        SegmentCheck check(*file, header_);
        MILLRACE_TRY(check.go_on(end_, options_.is_stopping));
        if (check.verified_bytes() != end_) {
            return lost(check.verified_bytes(), "the repaired file does not verify");
        }
        return SegmentMaker::finish(disk_,
                                    *file,
                                    {.header = header_,
                                     .directory = task_.directory,
                                     .path = task_.segment.path,
                                     .source = new_path()});
    }

    /// As it is to lie in the new file.
    Result<void> gather(std::uint64_t at, std::span<std::byte> out) {
        std::ranges::fill(out, std::byte{0});
        const auto used = static_cast<std::size_t>(
            std::min<std::uint64_t>(out.size(), at < end_ ? end_ - at : 0));
        MILLRACE_TRY(const auto bytes, read(at, used));
        copy_bytes(bytes, out);
        for (const auto& [begin, commit] : repaired_) {
            const auto first = std::max(begin, at);
            const auto last = std::min(begin + commit.size(), at + out.size());
            if (first < last) {
                copy_bytes(std::span(commit).subspan(first - begin, last - first),
                           out.subspan(first - at));
            }
        }
        return ok();
    }

    Disk& disk_;
    const RepairTask& task_;
    const RepairOptions& options_;
    SegmentHeader header_;
    std::uint64_t end_;
    Pace pace_;
    PacedSource source_;
    DamagedFile own_;
    std::optional<CommitSequence> last_;
    EntryMarks before_;
    UnixMicros time_ = 0;
    std::map<std::uint64_t, std::vector<std::byte>> repaired_;  ///< commits, by position
    std::size_t repaired_bytes_ = 0;
    std::uint32_t frames_ = 0;
};

}  // namespace

Result<RepairOutcome> repair_segment(Disk& disk,
                                     const RepairTask& task,
                                     EntrySource& source,
                                     const RepairOptions& options) {
    return SegmentRepair(disk, task, source, options).run();
}

}  // namespace millrace::storage
