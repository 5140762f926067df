#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "client/cli/app/session.hpp"

namespace millrace::cli {

/// How far something is.
struct Reached {
    std::uint64_t count = 0;            ///< records
    std::uint64_t duplicate_count = 0;  ///< of them known before
    double share = -1;                  ///< 0 to 1, or below 0 when nobody knows the end
};
struct ProgressState {
    std::string verb;  ///< "published"
    Reached reached;
    std::chrono::milliseconds elapsed{0};
};
/// "[######--------------]  31%  published 3,100 records, 1,033/s, 7.0 s left".
[[nodiscard]] std::string format_progress(const ProgressState& state);

/// A line on stderr that is written again five times a second, and only for a person: nothing is
/// printed where stderr is no terminal or with --quiet.
class Progress {
  public:
    Progress(Session& session, std::string verb);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    Progress(Progress&&) = delete;
    Progress& operator=(Progress&&) = delete;
    /// Clears the line.
    ~Progress();

    void update(const Reached& reached);
    [[nodiscard]] std::chrono::milliseconds elapsed() const;

  private:
    Session& session_;
    std::string verb_;
    std::chrono::steady_clock::time_point begin_;
    std::chrono::steady_clock::time_point printed_;
    bool is_shown_ = false;
};

}  // namespace millrace::cli
