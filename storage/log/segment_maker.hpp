#pragma once

#include <memory>
#include <optional>
#include <string>

#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/background.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// A segment that is open.
struct Segment {
    SegmentHeader header;
    std::shared_ptr<File> file;
    std::string path;
    std::uint64_t file_bytes = 0;  ///< as it was made; what is set now is for those to come
    std::uint32_t generation = 0;  ///< how often it was rewritten
};

/// Makes a segment file in the background, a step at a time.
///
/// Place:    below SegmentFiles, which knows names and what can be recycled.
/// Promise:  a segment that is handed out is zero-filled, has a durable header and a durable name,
///           so that writing to it costs the disk nothing but the data. Filling rests between steps
///           while it is ahead of the log: at full speed every commit beside it waits for
///           milliseconds.
/// Threads:  the shard's; steps run on the background thread.
/// On disk:  until it is whole it bears the name `source`, which recovery does not read.
class SegmentMaker {
  public:
    struct Plan {
        SegmentHeader header;
        std::string directory;  ///< of `path`
        std::string path;
        std::string source;        ///< what becomes `path` by rename
        bool is_recycled = false;  ///< `source` is there and its old content may stay
        std::size_t bytes = 0;
        std::size_t bytes_before = 0;  ///< of the segment that is written meanwhile
    };

    SegmentMaker(Disk& disk, const Clock& clock, Background& background)
        : disk_(disk), clock_(clock), background_(background) {}

    void begin(Plan plan);
    /// Begun, and neither taken nor failed.
    [[nodiscard]] bool is_begun() const { return plan_ && !(made_ && made_->has_error()); }
    /// Starts the next step when it is time for one. `used` bytes of the segment before it are
    /// written.
    void go_on(std::size_t used);
    /// An empty file at `path`, past the page cache. Errors: out_of_space, io. Threads: any.
    [[nodiscard]] static Result<std::shared_ptr<File>> create(Disk& disk, const std::string& path);
    /// What is written of it becomes durable, with its header and under its name. Errors: io.
    /// Threads: any.
    [[nodiscard]] static Result<void> finish(Disk& disk, File& file, const Plan& plan);

    /// The segment, without rest from here on. Errors: out_of_space, io. **Requires** `begin`.
    [[nodiscard]] Result<Segment> take();

  private:
    /// What a step leaves to the next one.
    struct Progress {
        std::shared_ptr<File> file;
        std::size_t filled = 0;
    };
    void start_step(std::size_t bytes_max);
    /// In the background; it leaves what has become of it.
    [[nodiscard]] Background::Ending step(const Plan& plan,
                                          const Progress& progress,
                                          std::size_t bytes_max);
    void take_filled(const Result<Progress>& filled);
    void take_made(const Result<Segment>& made);
    [[nodiscard]] Result<Progress> fill(const Plan& plan,
                                        Progress progress,
                                        std::size_t bytes_max) const;
    [[nodiscard]] Result<Segment> finish_file(const Plan& plan) const;

    Disk& disk_;
    const Clock& clock_;
    Background& background_;
    std::optional<Plan> plan_;
    Progress progress_;
    std::optional<Result<Segment>> made_;
    bool is_stepping_ = false;
    SteadyTime rests_until_{};
};

}  // namespace millrace::storage
