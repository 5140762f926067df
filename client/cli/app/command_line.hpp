#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/cli/app/session.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace millrace::cli {

/// What a command line asks for: an action, or text to show and the code to end with.
struct ParsedCommand {
    Action action;
    Globals globals;
    std::string out;
    std::string err;
    ExitCode code = ExitCode::ok;
};

/// All commands with their options. Knows nothing of brokers; parsing is pure but for the
/// environment variable MILLRACE_BROKERS.
class CommandLine {
  public:
    CommandLine();
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;
    CommandLine(CommandLine&&) = delete;
    CommandLine& operator=(CommandLine&&) = delete;

    /// The words after the program's name. Once per object.
    [[nodiscard]] ParsedCommand parse(std::vector<std::string> words);
    [[nodiscard]] const CLI::App& app() const { return *app_; }

  private:
    std::unique_ptr<CLI::App> app_;
    Globals globals_;
    Action chosen_;
};

/// Parses, runs, and says on `streams.err` what went wrong. Never throws.
[[nodiscard]] ExitCode run(const std::vector<std::string>& words, Session::Streams streams);

}  // namespace millrace::cli
