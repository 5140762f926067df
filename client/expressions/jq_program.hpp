#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::expressions {

/// A compiled jq program. The environment is empty for it, and it includes no files.
///
/// Promise:  none on its time: a program that never ends keeps its thread.
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
    explicit JqProgram(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

}  // namespace millrace::expressions
