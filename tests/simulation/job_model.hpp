#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/log_records.hpp"

#include "broker/delivery/jobs/jobs.hpp"

namespace millrace::simulation {

/// What redrives and replays must do, whatever happens in between.
///
/// A redrive sends every letter that was open and wanted when it began, once, and no other. A
/// replay's records are those of its window, each once, in order. What contradicts is kept as text.
class JobModel {
  public:
    using Job = broker::delivery::Job;
    using Letter = broker::delivery::Letter;

    /// A redrive is created while `letters` stand.
    void begin_redrive(const Job& job, const std::vector<Letter>& letters);
    /// To be called with all letters, whenever nothing is under way.
    void check_redrives(const std::vector<Letter>& letters);
    /// `job` is over; `letters` are those of now.
    void check_redriven(const Job& job, const std::vector<Letter>& letters);

    /// What a replay reads and where its records arrive, both read from the log itself.
    struct Logs {
        std::vector<std::vector<LogRecord>> sources;  ///< by partition, with what was retired
        std::vector<Offset> first;                    ///< that was not, by partition
        std::vector<std::vector<LogRecord>> targets;
    };
    /// `job` is over. One that was cancelled has sent a part.
    void check_replayed(const Job& job, const Logs& logs);

    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

  private:
    struct Redrive {
        std::map<std::uint64_t, std::size_t> wanted;  ///< letters, with their actions until then
        std::set<std::uint64_t> known;                ///< all letters of that time
    };
    /// Of a replay, by origin.
    struct Wanted {
        std::map<std::string, const LogRecord*> records;
        std::set<std::string> required;  ///< those that nothing retires
    };
    static void add_wanted(const Job& job, const Logs& logs, std::size_t partition, Wanted& wanted);
    void check_target(const Job& job,
                      const std::vector<LogRecord>& target,
                      const Wanted& wanted,
                      std::set<std::string>& seen);
    void check_sent(std::uint64_t job, const Redrive& begun, const Letter& letter);
    void complain(std::uint64_t job, const std::string& text);

    std::map<std::uint64_t, Redrive> redrives_;
    std::vector<std::string> violations_;
};

}  // namespace millrace::simulation
