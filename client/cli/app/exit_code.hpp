#pragma once

#include "millrace/types.hpp"

namespace millrace::cli {

/// What scripts can tell apart (docs/cli.md).
enum class ExitCode : int {
    ok = 0,
    refused = 1,        ///< the broker refused, or something is damaged
    usage = 2,          ///< the command line or its input is wrong
    not_found = 3,      ///< topic, partition, group, subscription or letter does not exist
    no_connection = 4,  ///< no broker could be reached
    retryable = 5,      ///< timed out or unavailable: the same command may succeed later
    partly = 6          ///< some of it was done
};

[[nodiscard]] ExitCode exit_code_of(const ClientError& error);

/// Of several pieces of work: the code for all of them together.
class Outcome {
  public:
    void add_done(std::uint64_t count = 1) { done_ += count; }
    void add_failure(ExitCode code);
    /// ok when nothing failed, the first failure's code when nothing was done, else partly.
    [[nodiscard]] ExitCode exit_code() const;
    [[nodiscard]] std::uint64_t done_count() const { return done_; }
    [[nodiscard]] std::uint64_t failed_count() const { return failed_; }

  private:
    std::uint64_t done_ = 0;
    std::uint64_t failed_ = 0;
    ExitCode first_ = ExitCode::ok;
};

}  // namespace millrace::cli
