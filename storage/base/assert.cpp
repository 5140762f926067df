#include "storage/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    // Neither can be acted on: the process is about to end.
    (void)std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    (void)std::fflush(stderr);
    std::abort();
}

}  // namespace millrace
