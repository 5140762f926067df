#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace millrace::cli {

enum class Shell { bash, zsh, fish };

/// A script for the shell that completes commands, options and the words of closed sets. Made from
/// the tree of commands, so that it can't fall behind it.
[[nodiscard]] std::string format_completion(const CLI::App& root, Shell shell);

}  // namespace millrace::cli
