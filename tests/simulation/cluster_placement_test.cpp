#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/simulation/cluster/cluster_world.hpp"
#include "tests/simulation/seeds.hpp"

// Five nodes in three racks, of which three vote.
namespace millrace::simulation::cluster {
namespace {

using broker::consensus::MemberRole;

const std::vector<std::string> racks{"a", "a", "b", "b", "c"};
constexpr Duration second{1'000'000};
constexpr Duration for_good{std::chrono::hours(24)};
constexpr SeedCounts placement_seeds{.fast = 6, .in_long = 2'000};

class PlacementRun {
  public:
    explicit PlacementRun(std::uint64_t seed)
        : world(seed, {.node_count = racks.size(), .places = racks, .voters_max = 3}) {
        if (setting("MILLRACE_STORY") != nullptr) {
            world.stage().tell_at_once();
        }
    }
    void replace_voters();
    void disturb();

  private:
    /// Of every group, as the node that leads knows them; empty where none leads, or they differ.
    [[nodiscard]] std::set<NodeId> voters() const {
        auto* const leader = world.leader();
        std::set<std::set<NodeId>> found;
        const auto groups = leader == nullptr ? std::vector<broker::consensus::GroupStatus>()
                                              : leader->shard().groups();
        for (const auto& group : groups) {
            std::set<NodeId> voters;
            for (const auto& member : group.members) {
                if (member.role == MemberRole::voter) {
                    voters.insert(member.node);
                }
            }
            found.insert(voters);
        }
        return found.size() == 1 ? *found.begin() : std::set<NodeId>();
    }
    [[nodiscard]] bool are_placed() {
        const auto now = voters();
        std::set<std::string> taken;
        std::size_t up = 0;
        for (const auto node : now) {
            taken.insert(racks[node.value - 1]);
            up += world.nodes()[node.value - 1]->is_up() ? 1U : 0U;
        }
        return now.size() == 3 && up == 3 && taken.size() == std::min<std::size_t>(3, racks_up());
    }
    [[nodiscard]] std::size_t racks_up() {
        std::set<std::string> up;
        for (const auto& node : world.nodes()) {
            if (node->is_up()) {
                up.insert(racks[node->id().value - 1]);
            }
        }
        return up.size();
    }
    void expect_placed(const std::string& what) {
        world.wait_until(what, [this] { return are_placed(); });
    }
    /// Clients go on.
    void expect_service(const std::string& after) {
        const auto before = world.totals().batches_acked;
        world.wait_until("nothing more is acked after " + after, [this, before] {
            return world.leader() != nullptr && world.totals().batches_acked > before + 5;
        });
    }
    SimNode& voter_other_than_leader() {
        for (const auto node : voters()) {
            if (node != world.leader()->id()) {
                return *world.nodes()[node.value - 1];
            }
        }
        return *world.leader();
    }
    void expect_no_violation() {
        std::string story;
        for (const auto& line : world.stage().story()) {
            story += line + "\n";
        }
        EXPECT_TRUE(world.stage().violations().empty()) << story;
    }

    ClusterWorld world;
};

void PlacementRun::replace_voters() {
    world.start();
    expect_placed("voters do not stand in three racks");
    expect_service("the first placement");
    if (world.stage().violations().empty()) {
        voter_other_than_leader().kill(for_good);
        expect_placed("no standby took the place of a voter that is gone");
        expect_service("one node is gone");
    }
    if (world.stage().violations().empty()) {
        world.leader()->kill(for_good);
        expect_service("two nodes are gone, one of which led");
        expect_placed("no standby took the place of the node that led");
    }
    world.run_for(second);
    world.finish();
    expect_placed("voters do not stand in three racks once all are back");
    expect_no_violation();
}

void PlacementRun::disturb() {
    world.run();
    expect_no_violation();
    EXPECT_GT(world.totals().batches_acked, 0U);
}

TEST(PlacementWorld, VotersStandInThreeRacksAndThoseThatAreGoneAreReplaced) {
    for_each_seed(placement_seeds, [](std::uint64_t seed) {
        SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed));
        PlacementRun(seed).replace_voters();
    });
}

TEST(PlacementWorld, RandomFaultsKeepEveryPromiseWhileVotersAreReplaced) {
    for_each_seed(placement_seeds, [](std::uint64_t seed) {
        SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed));
        PlacementRun(seed).disturb();
    });
}

}  // namespace
}  // namespace millrace::simulation::cluster
