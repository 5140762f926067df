#pragma once

namespace millrace {

/// Prints the broken condition with its place and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace millrace

/// For a broken program only, in every build. Bytes from disk, wire or config never trip it: those
/// give an `Error`.
#define MILLRACE_ASSERT(condition)      \
    ((condition) ? static_cast<void>(0) \
                 : ::millrace::assertion_failed(#condition, __FILE__, __LINE__))
