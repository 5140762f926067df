#include "tests/simulation/cluster/stage.hpp"

#include <cstdio>

namespace millrace::simulation::cluster {
namespace {

constexpr std::size_t lines_max = 5'000;

}  // namespace

void Stage::tell(const std::string& what) {
    char time[32];
    const auto passed = std::chrono::duration<double>(now().time_since_epoch()).count();
    (void)std::snprintf(static_cast<char*>(time), sizeof(time), "%11.6f  ", passed);
    story_.push_back(static_cast<const char*>(time) + what);
    if (is_loud_) {
        (void)std::puts(story_.back().c_str());
        (void)std::fflush(stdout);
    }
    if (story_.size() > lines_max) {
        story_.pop_front();
    }
}

void Stage::violate(const std::string& what) {
    tell("VIOLATION " + what);
    violations_.push_back(what);
}

}  // namespace millrace::simulation::cluster
