#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/simulation/delivery_world.hpp"

#include "storage/base/logging.hpp"

namespace millrace::simulation {
namespace {

constexpr int steps = 120;

std::uint64_t seed_count() {
    const auto* const profile =
        std::getenv("MILLRACE_TEST_PROFILE");  // NOLINT(concurrency-mt-unsafe): one thread
    return profile != nullptr && std::string_view(profile) == "long" ? 20'000 : 150;
}

/// The end of what happened, and what was wrong with it.
std::string report(const DeliveryWorld& world, std::uint64_t seed) {
    constexpr std::size_t lines_max = 400;
    std::string text = "MILLRACE_SEED=" + std::to_string(seed) + "\n";
    const auto& story = world.story();
    for (auto at = story.size() - std::min(story.size(), lines_max); at < story.size(); ++at) {
        text += story[at] + "\n";
    }
    for (const auto& violation : world.violations()) {
        text += "VIOLATION " + violation + "\n";
    }
    return text;
}

/// Returns how many records were delivered.
std::uint64_t run(std::uint64_t seed) {
    DeliveryWorld world(seed);
    for (int step = 0; step < steps && world.violations().empty(); ++step) {
        world.step();
    }
    if (world.violations().empty()) {
        world.drain();
    }
    EXPECT_TRUE(world.violations().empty()) << report(world, seed);
    return world.model().deliveries();
}

TEST(DeliveryModel, RandomOperationsKeepEveryPromise) {
    set_log_level(LogLevel::error);  // jobs begin and end by the thousand
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    if (const auto* const one = std::getenv("MILLRACE_SEED")) {
        // A world may be paused for most of its life and deliver nothing.
        RecordProperty("deliveries", std::to_string(run(std::strtoull(one, nullptr, 10))));
        return;
    }
    std::uint64_t deliveries = 0;
    for (std::uint64_t seed = 1; seed <= seed_count() && !HasFailure(); ++seed) {
        deliveries += run(seed);
    }
    RecordProperty("deliveries", std::to_string(deliveries));
    EXPECT_GT(deliveries, seed_count() * 20);
}

}  // namespace
}  // namespace millrace::simulation
