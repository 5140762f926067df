#include <iostream>

#include <unistd.h>

#include "client/cli/app/command_line.hpp"

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    const std::vector<std::string> words(argv + 1, argv + argc);
    const millrace::cli::Session::Streams streams{std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
    return static_cast<int>(millrace::cli::run(words, streams));
}
