#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/simulation/delivery_world.hpp"
#include "tests/simulation/seeds.hpp"

namespace millrace::simulation {
namespace {

constexpr int steps = 120;

constexpr SeedCounts delivery_seeds{.fast = 150, .in_long = 20'000};

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
    std::uint64_t deliveries = 0;
    const auto count = for_each_seed(
        delivery_seeds, [&deliveries](std::uint64_t seed) { deliveries += run(seed); });
    RecordProperty("deliveries", std::to_string(deliveries));
    if (setting("MILLRACE_SEED") == nullptr) {
        EXPECT_GT(deliveries, count * 20);  // one world may be paused for most of its life
    }
}

}  // namespace
}  // namespace millrace::simulation
