#include <iostream>
#include <thread>

#include "tests/stand_ins/plant/command_line.hpp"

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    const millrace::SystemClock clock;
    return millrace::plant::run(
        std::vector<std::string>(argv + 1, argv + argc),
        {.out = std::cout, .err = std::cerr, .clock = clock, .sleep_until = [](auto time) {
             std::this_thread::sleep_until(time);
         }});
}
