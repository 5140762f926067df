#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>

#include "bench/load/flags.hpp"

namespace millrace::bench {
namespace {

void print_histograms(const Report& report) {
    for (const auto& [name, latency] : report.latencies) {
        std::cerr << name << ", up to\n" << bars_of(latency);
    }
}

int run(int argc, char** argv) {
    CLI::App app{
        "Measures a running Millrace broker, and the bare disk beside it. One JSON object a line."};
    Plan plan;
    add_flags(app, plan);
    CLI11_PARSE(app, argc, argv);
    for (const auto& report : plan.run()) {
        std::cout << report.json << '\n';
        if (plan.shows_histogram) {
            print_histograms(report);
        }
    }
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    try {
        return millrace::bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "millrace-bench: " << error.what() << '\n';
        return 1;
    }
}
