#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "client/cli/app/exit_code.hpp"

namespace millrace {
class Admin;
class Client;
}  // namespace millrace

namespace millrace::cli {

enum class OutputFormat { table, json };
/// What stands before or after every command.
struct Globals {
    std::string brokers = "localhost:7117";
    OutputFormat output = OutputFormat::table;
    std::string timeout;  ///< empty: each command's own
    bool quiet = false;
};

/// What a command works with: the client, connected at its first use, and where output goes.
class Session {
  public:
    struct Streams {
        std::ostream& out;
        std::ostream& err;
        bool is_err_terminal = false;
    };

    Session(Globals globals, Streams streams);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    Session(Session&&) = delete;
    Session& operator=(Session&&) = delete;

    [[nodiscard]] Client& client();
    [[nodiscard]] Admin admin();
    [[nodiscard]] std::ostream& out() { return streams_.out; }
    /// Throws when not all of it could be written.
    void flush_out();
    [[nodiscard]] std::ostream& err() { return streams_.err; }
    [[nodiscard]] bool is_json() const { return globals_.output == OutputFormat::json; }
    /// True when a person sees stderr and did not ask for silence.
    [[nodiscard]] bool has_progress() const { return streams_.is_err_terminal && !globals_.quiet; }
    [[nodiscard]] const Globals& globals() const { return globals_; }
    /// What --timeout says, else `otherwise`. Throws UsageError.
    [[nodiscard]] std::chrono::milliseconds timeout_or(std::chrono::milliseconds otherwise) const;

    /// A remark on stderr; none with --quiet.
    void note(std::string_view text);
    /// An error on stderr that does not end the command.
    void warn(std::string_view text);

  private:
    Globals globals_;
    Streams streams_;
    std::unique_ptr<Client> client_;
};

/// A command with its options bound.
using Action = std::function<ExitCode(Session&)>;

}  // namespace millrace::cli
