#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/random.hpp"
#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/background.hpp"
#include "storage/io/disk.hpp"
#include "storage/log/segment_maker.hpp"
#include "storage/log/segment_remover.hpp"

namespace millrace::storage {

/// What a file bears behind its name until it takes the place of one that is damaged.
inline constexpr std::string_view repair_suffix = ".repair";

/// What a file's name says: `<sequence>.seg`, or `<sequence>-<generation>.seg` of one that was
/// rewritten.
struct SegmentName {
    SegmentSequence sequence;
    std::uint32_t generation = 0;
};
[[nodiscard]] std::string format_segment_name(const SegmentName& name);
/// Nothing where it is not the name of a segment.
[[nodiscard]] std::optional<SegmentName> parse_segment_name(std::string_view name);

/// The files of a shard's log: names, making the next one in the background, recycling by rename.
///
/// Threads:  the shard's; making runs on the background thread.
class SegmentFiles {
  public:
    SegmentFiles(Disk& disk,
                 const Clock& clock,
                 const StoreOptions& options,
                 Background& background);

    [[nodiscard]] Result<void> make_directories();
    /// Which generation of a segment the index knows; nothing where it does not know the segment.
    using KnownGeneration = std::function<std::optional<std::uint32_t>(SegmentSequence)>;
    /// Opens what is in the log directory; files that are not segments are left alone and named in
    /// the log. Files with a valid name but a broken header are reported in `broken`. Of the
    /// generations of a segment the one that is known is opened, or the newest, and the others are
    /// removed.
    [[nodiscard]] Result<void> open_all(const KnownGeneration& known,
                                        std::vector<std::string>& broken);
    [[nodiscard]] const std::map<SegmentSequence, Segment>& segments() const { return segments_; }
    [[nodiscard]] const Segment* find(SegmentSequence sequence) const;

    void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }
    /// Begins to make the next segment, if none is ready or being made.
    void prepare_next();
    /// Goes on making it, and removing others, a step at a time; once a turn. `used` bytes of the
    /// open one are written.
    void go_on(std::size_t used) {
        maker_.go_on(used);
        remover_.go_on();
    }
    /// The next segment, waiting for it where it is still being made. Errors: out_of_space, io.
    [[nodiscard]] Result<const Segment*> take_next();
    /// Where the next generation of a segment goes.
    [[nodiscard]] std::string path_of(SegmentSequence sequence, std::uint32_t generation) const;
    [[nodiscard]] const std::string& directory() const { return log_directory_; }
    /// From now on the segment is read in its new generation. **Requires** that the index knows its
    /// new places.
    void replace(Segment rewritten);
    /// The segment may have another file under its name, with the same in the same places: it is
    /// read in that one from now on, opened here, since the disk of whoever wrote it may be gone.
    /// Nothing happens where the segment is gone. Errors: io.
    [[nodiscard]] Result<void> reopen(SegmentSequence sequence);
    /// Gives back the zeros behind the commits of a segment, where they are many: what was open
    /// when its process ended is never written to again. **Requires** that the index knows the
    /// segment.
    void trim(SegmentSequence sequence, std::uint64_t used_bytes);
    /// A segment without live bytes: kept for recycling, or deleted, also when it is of another
    /// size than segments are now. False while someone still reads it.
    [[nodiscard]] bool release(SegmentSequence sequence);
    /// Once a tick: gives back what was replaced, is not read any more, and is not what the index
    /// on disk names: after a loss of power that is the index that counts.
    void release_replaced();
    /// Something was replaced that only a checkpoint makes durable.
    [[nodiscard]] bool awaits_checkpoint() const {
        return std::ranges::any_of(replaced_, std::logical_not{}, &Replaced::is_durable);
    }
    /// A checkpoint begins, and has ended: what had been replaced by then is durably so.
    void cover_replaced();
    void settle_replaced();
    [[nodiscard]] std::size_t free_count() const { return free_.size(); }
    /// Of all files, the free ones included.
    [[nodiscard]] std::uint64_t bytes() const;

  private:
    [[nodiscard]] Result<void> open_one(SegmentSequence sequence,
                                        std::span<const std::uint32_t> generations,
                                        bool is_known,
                                        std::vector<std::string>& broken);
    /// Nothing where the header does not verify. Errors: io, newer_format.
    [[nodiscard]] Result<std::optional<Segment>> open_file(SegmentSequence sequence,
                                                           std::uint32_t generation);
    [[nodiscard]] Result<void> open_free();
    void give_back(const Segment& segment);
    [[nodiscard]] SegmentMaker::Plan plan_next();
    [[nodiscard]] std::size_t made_bytes() const;
    [[nodiscard]] SegmentSequence next_sequence() const;

    Disk& disk_;
    const Clock& clock_;
    const StoreOptions& options_;
    std::string log_directory_;
    std::string free_directory_;
    std::map<SegmentSequence, Segment> segments_;
    struct Replaced {
        Segment segment;
        bool is_covered = false;  ///< by a checkpoint that has begun
        bool is_durable = false;
    };
    std::vector<Replaced> replaced_;
    std::vector<std::string> free_;  ///< names in the free directory
    std::uint64_t free_number_ = 0;
    std::uint64_t epoch_ = 0;
    SegmentSequence last_taken_;
    std::size_t taken_bytes_ = 0;  ///< of the one that was taken last; 0: none since the start
    SegmentMaker maker_;
    SegmentRemover remover_;
};

}  // namespace millrace::storage
