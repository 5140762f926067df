#pragma once

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace millrace::cli {

/// Why a command line that CLI11 refused is wrong, where the reason is a word that nobody knows
/// ("unknown command \"topik\"; did you mean topic?") or a family without a command ("dlq
/// needs a command: ls, show"). Empty otherwise.
[[nodiscard]] std::string explain_unknown_word(const CLI::App& root,
                                               const std::vector<std::string>& words);

}  // namespace millrace::cli
