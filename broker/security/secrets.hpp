#pragma once

#include <string>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::broker {

/// Where a secret is: in a file, or in a variable of the environment; one of them.
struct SecretSource {
    std::string file;
    std::string variable;
};

/// The lines of the file that are not empty, or the variable's value. More than one line are
/// secrets that hold side by side while one follows the other; the first is the one to sign with.
/// At start, before threads. Errors: configuration, without a word of what was read.
[[nodiscard]] Result<std::vector<std::string>> load_secrets(const SecretSource& source);

}  // namespace millrace::broker
