#include <iostream>

#include <unistd.h>

#include "client/cli/app/command_line.hpp"
#include "client/cli/app/stop_signal.hpp"

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    millrace::cli::watch_stop_signals();
    const std::vector<std::string> words(argv + 1, argv + argc);
    const millrace::cli::Session::Streams streams{std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
    return static_cast<int>(millrace::cli::run(words, streams));
}
