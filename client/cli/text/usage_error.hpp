#pragma once

#include <stdexcept>

namespace millrace::cli {

/// What a person typed, or a line of their input, can't be used; the text says what would be.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace millrace::cli
