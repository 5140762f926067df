#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"
#include "storage/io/background.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Gives the space of segment files back in the background, a piece at a time: a whole one at once
/// holds up every commit beside it for tens of milliseconds.
///
/// Threads:  the shard's; steps run on the background thread.
/// On disk:  a file that is not gone yet is shorter than a segment, under the name of a spare one;
///           recovery removes those of another size.
class SegmentRemover {
  public:
    /// `directory`: which the files were moved out of.
    SegmentRemover(Disk& disk, const Clock& clock, Background& background, std::string directory)
        : disk_(disk), clock_(clock), background_(background), directory_(std::move(directory)) {}

    void add(std::string path, std::uint64_t bytes);
    /// Starts the next step when it is time for one; once a turn.
    void go_on();
    /// Of what is not given back yet.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    struct Leaving {
        std::string path;
        std::uint64_t bytes = 0;
        bool is_moved = false;  ///< durably: it comes back under no other name
    };
    /// In the background: what is left of the file.
    [[nodiscard]] Result<Leaving> step(Leaving file) const;
    void take(const Result<Leaving>& left);

    Disk& disk_;
    const Clock& clock_;
    Background& background_;
    std::string directory_;
    std::deque<Leaving> files_;
    std::uint64_t bytes_ = 0;
    bool is_stepping_ = false;
    SteadyTime rests_until_{};
};

}  // namespace millrace::storage
