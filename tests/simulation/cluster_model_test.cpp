#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/simulation/cluster/cluster_world.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr std::uint64_t seeds_fast = 8;
constexpr std::uint64_t seeds_long = 20'000;

const char* setting(const char* name) {
    return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
}

/// Seeds, both ends included.
using SeedRange = std::pair<std::uint64_t, std::uint64_t>;

/// MILLRACE_SEED=7 and MILLRACE_SEED=7-2000 say which; else the profile does.
SeedRange seeds() {
    if (const auto* const asked = setting("MILLRACE_SEED")) {
        const std::string_view text(asked);
        SeedRange range{0, 0};
        const auto first = std::from_chars(text.begin(), text.end(), range.first);
        range.second = range.first;
        if (first.ptr != text.end()) {
            (void)std::from_chars(first.ptr + 1, text.end(), range.second);
        }
        return range;
    }
    const auto* const profile = setting("MILLRACE_TEST_PROFILE");
    const bool is_long = profile != nullptr && std::string_view(profile) == "long";
    return {1, is_long ? seeds_long : seeds_fast};
}

/// So that an assertion which ends the process tells in which world.
volatile std::sig_atomic_t running_seed = 0;

extern "C" void tell_seed(int signal) {
    char text[64];
    const auto length = std::snprintf(static_cast<char*>(text),
                                      sizeof(text),
                                      "\nMILLRACE_SEED=%ld\n",
                                      static_cast<long>(running_seed));
    (void)!::write(STDOUT_FILENO, static_cast<const char*>(text), static_cast<std::size_t>(length));
    (void)std::signal(signal, SIG_DFL);
    (void)std::raise(signal);
}

/// The end of what happened, and what was wrong with it.
std::string report(const Stage& stage, std::uint64_t seed) {
    const std::size_t lines_max = setting("MILLRACE_SEED") == nullptr ? 400 : 5'000;
    std::string text = "MILLRACE_SEED=" + std::to_string(seed) + "\n";
    const auto& story = stage.story();
    for (auto at = story.size() - std::min(story.size(), lines_max); at < story.size(); ++at) {
        text += story[at] + "\n";
    }
    for (const auto& violation : stage.violations()) {
        text += "VIOLATION " + violation + "\n";
    }
    return text;
}

std::string format(const ClusterWorld::Totals& totals) {
    return "batches acked " + std::to_string(totals.batches_acked) + ", records " +
           std::to_string(totals.records) + ", acked by a leader alone and lost " +
           std::to_string(totals.lost) + ", deliveries " + std::to_string(totals.deliveries) +
           ", terms led " + std::to_string(totals.terms) + ", copies " +
           std::to_string(totals.copies) + ", refused by former leaders " +
           std::to_string(totals.refused_by_former) + ", records damaged " +
           std::to_string(totals.damaged);
}

ClusterWorld::Totals run(std::uint64_t seed) {
    running_seed = static_cast<std::sig_atomic_t>(seed);
    ClusterWorld world(seed);
    if (setting("MILLRACE_STORY") != nullptr) {
        world.stage().tell_at_once();
    }
    world.run();
    EXPECT_TRUE(world.stage().violations().empty()) << report(world.stage(), seed);
    return world.totals();
}

TEST(ClusterModel, RandomFaultsKeepEveryPromise) {
    if (setting("MILLRACE_LOG") == nullptr) {
        // Disks fail by the thousand, and the broker tells of each.
        ASSERT_NE(std::freopen("/dev/null", "w", stderr), nullptr);
    }
    (void)std::signal(SIGABRT, tell_seed);
    (void)std::signal(SIGSEGV, tell_seed);
    const auto [first, last] = seeds();
    const bool goes_on = setting("MILLRACE_SEED") != nullptr;
    ClusterWorld::Totals all;
    for (auto seed = first; seed <= last && (goes_on || !HasFailure()); ++seed) {
        const auto totals = run(seed);
        all.batches_acked += totals.batches_acked;
        all.records += totals.records;
        all.lost += totals.lost;
        all.deliveries += totals.deliveries;
        all.terms += totals.terms;
        all.copies += totals.copies;
        all.refused_by_former += totals.refused_by_former;
        all.damaged += totals.damaged;
    }
    (void)std::puts(format(all).c_str());
    EXPECT_GT(all.batches_acked, last - first + 1);
}

}  // namespace
}  // namespace millrace::simulation::cluster
