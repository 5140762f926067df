#pragma once

#include <functional>
#include <vector>

#include "bench/load/report.hpp"

namespace CLI {
class App;
}

namespace millrace::bench {

/// What the command line asks for.
struct Plan {
    std::string brokers = "localhost:7117";
    bool shows_histogram = false;
    std::function<std::vector<Report>()> run;  ///< of the subcommand that was named
};

/// Adds a subcommand for each work. `plan` outlives the parsing and the run.
void add_flags(CLI::App& app, Plan& plan);

}  // namespace millrace::bench
