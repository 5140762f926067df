#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"
#include "storage/io/background.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Gives space back in the background, of segment files that nobody needs and of zeros at the end
/// of others; a piece at a time: a whole file at once holds up every commit beside it
/// for tens of milliseconds.
///
/// Threads:  the shard's; steps run on the background thread.
/// On disk:  a file that is not gone yet is shorter than a segment, under the name of a spare one;
///           recovery removes those of another size. One that is being trimmed may be longer again
///           after a loss of power.
class SegmentRemover {
  public:
    /// `directory`: which the files were moved out of.
    SegmentRemover(Disk& disk, const Clock& clock, Background& background, std::string directory)
        : disk_(disk), clock_(clock), background_(background), directory_(std::move(directory)) {}

    /// The whole file, of so many bytes.
    void add(std::string path, std::uint64_t bytes) {
        add({.path = std::move(path), .bytes = bytes});
    }
    /// Zeros at the end of it, down to `kept` bytes at most, which are more than 0. What else lies
    /// there stays: whatever it is, no recovery has taken it for the log's.
    void trim(std::string path, std::uint64_t bytes, std::uint64_t kept) {
        add({.path = std::move(path), .bytes = bytes, .kept = kept});
    }
    /// A file that was being trimmed has another name.
    void forget(const std::string& path);
    /// Starts the next step when it is time for one; once a turn.
    void go_on();
    /// Of what is not given back yet.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    struct Leaving {
        std::string path;
        std::uint64_t bytes = 0;
        std::uint64_t kept = 0;
        bool is_moved = false;      ///< durably: it comes back under no other name
        bool is_forgotten = false;  ///< while a step was under way
    };
    void add(Leaving file);
    /// In the background: what is left of the file.
    [[nodiscard]] Result<Leaving> step(Leaving file) const;
    [[nodiscard]] Result<Leaving> step_back(Leaving file) const;
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
