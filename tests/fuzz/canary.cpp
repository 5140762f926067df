// A parser that is wrong on purpose, four bytes deep: the fuzzer must find it, or it finds nothing.
#include "tests/fuzz/fuzz_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 4 && data[0] == 'M' && data[1] == 'I' && data[2] == 'L' && data[3] == '!') {
        const volatile std::uint8_t* const input = data;
        const std::uint8_t behind = input[size];
        millrace::fuzz::check(size == 0 && behind == 0, "the canary sings");
    }
    return 0;
}
