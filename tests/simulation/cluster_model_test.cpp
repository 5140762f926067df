#include <algorithm>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/simulation/cluster/cluster_world.hpp"
#include "tests/simulation/seeds.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr SeedCounts model_seeds{.fast = 12, .in_long = 100'000};
constexpr SeedCounts damage_seeds{.fast = 4, .in_long = 5'000};
constexpr SeedCounts forgetful_seeds{.fast = 6, .in_long = 5'000};

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
           std::to_string(totals.copies) + ", repairs " + std::to_string(totals.repairs) +
           ", refused by former leaders " + std::to_string(totals.refused_by_former) +
           ", records damaged " + std::to_string(totals.damaged);
}

ClusterWorld::Totals run(std::uint64_t seed, const ClusterWorld::Shape& shape = {}) {
    ClusterWorld world(seed, shape);
    if (setting("MILLRACE_STORY") != nullptr) {
        world.stage().tell_at_once();
    }
    world.run();
    EXPECT_TRUE(world.stage().violations().empty()) << report(world.stage(), seed);
    return world.totals();
}

void add(ClusterWorld::Totals& all, const ClusterWorld::Totals& totals) {
    all.batches_acked += totals.batches_acked;
    all.records += totals.records;
    all.lost += totals.lost;
    all.deliveries += totals.deliveries;
    all.terms += totals.terms;
    all.copies += totals.copies;
    all.repairs += totals.repairs;
    all.refused_by_former += totals.refused_by_former;
    all.damaged += totals.damaged;
}

TEST(ClusterModel, RandomFaultsKeepEveryPromise) {
    ClusterWorld::Totals all;
    const auto count =
        for_each_seed(model_seeds, [&all](std::uint64_t seed) { add(all, run(seed)); });
    (void)std::puts(format(all).c_str());
    EXPECT_GT(all.batches_acked, count);
}

TEST(ClusterModel, TheLeadIsHandedToTheNodeThatIsPreferred) {
    ClusterWorld world(1, {.node_count = 3});
    world.start();
    // Each in turn, whichever has most by then.
    for (const std::uint64_t number : {3U, 1U, 2U, 1U, 3U}) {
        world.wait_until("no node leads", [&world] { return world.leader() != nullptr; });
        world.run_for(Duration{1'000'000});
        auto& leader = *world.leader();
        if (leader.id() == NodeId{number}) {
            continue;
        }
        leader.post([&leader, number] { (void)leader.shard().hand_over(NodeId{number}); });
        world.wait_until("node " + std::to_string(number) + " does not lead", [&world, number] {
            return world.leader() != nullptr && world.leader()->id() == NodeId{number};
        });
    }
    world.finish();
    EXPECT_TRUE(world.stage().violations().empty()) << report(world.stage(), 1);
}

TEST(DamagedWorld, WhatNodesRepairIsWhatTheyHad) {
    ClusterWorld::Totals all;
    const auto count = for_each_seed(
        damage_seeds, [&all](std::uint64_t seed) { add(all, run(seed, {.damages_often = true})); });
    (void)std::puts(format(all).c_str());
    EXPECT_TRUE(all.repairs > 0 || count == 1) << "of one seed alone it is not said";
}

TEST(ForgetfulWorld, WhatNobodyHasInTheLogAnyMoreIsCopied) {
    ClusterWorld::Totals all;
    const auto count = for_each_seed(forgetful_seeds, [&all](std::uint64_t seed) {
        add(all, run(seed, {.forgets_soon = true}));
    });
    (void)std::puts(format(all).c_str());
    EXPECT_TRUE(all.copies > 0 || count == 1) << "of one seed alone it is not said";
}

}  // namespace
}  // namespace millrace::simulation::cluster
