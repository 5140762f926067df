// Stands for libFuzzer in builds without it: runs a target once over every file of the folders
// given.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "tests/fuzz/fuzz_check.hpp"

namespace {

void replay(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> read{std::istreambuf_iterator<char>(file), {}};
    // Of exactly the input's size, so that a sanitizer sees the first byte too far.
    const auto input = std::make_unique<std::uint8_t[]>(read.size());
    if (!read.empty()) {
        std::memcpy(input.get(), read.data(), read.size());
    }
    (void)LLVMFuzzerTestOneInput(input.get(), read.size());
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a folder that cannot be read ends the program
int main(int argc, char** argv) {
    std::size_t count = 0;
    for (const char* folder : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            replay(entry.path());
            ++count;
        }
    }
    std::printf("replayed %zu inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
