#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "client/cli/app/session.hpp"

namespace millrace::cli {

struct ProgressState {
    std::string verb;         ///< "published"
    std::uint64_t count = 0;  ///< records
    double share = -1;        ///< 0 to 1, or below 0 when nobody knows the end
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

    void update(std::uint64_t count, double share = -1);
    [[nodiscard]] std::chrono::milliseconds elapsed() const;

  private:
    Session& session_;
    std::string verb_;
    std::chrono::steady_clock::time_point begin_;
    std::chrono::steady_clock::time_point printed_;
    bool is_shown_ = false;
};

}  // namespace millrace::cli
