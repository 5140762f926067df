#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::expressions {

/// A compiled jq program. The environment is empty for it, and it includes no files.
///
/// Promise:  compiled once while it is asked for again and again; stopped after two seconds of a
///           processor's time. None on its memory: a program may ask for more than there is, or
///           nest deeper than a stack holds.
/// Threads:  one at a time.
class JqProgram {
  public:
    /// Errors: configuration, with jq's own words.
    [[nodiscard]] static Result<JqProgram> compile(const std::string& program);

    /// What the program makes of one JSON text: each output as JSON text.
    /// Errors: malformed for text that is no JSON, invalid_argument with jq's message for an error
    /// the program raises.
    [[nodiscard]] Result<std::vector<std::string>> run(const std::string& input) const;

  private:
    struct State;
    class Idle;
    explicit JqProgram(std::unique_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace millrace::expressions
