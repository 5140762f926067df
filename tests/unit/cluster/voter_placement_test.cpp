#include "broker/cluster/voter_placement.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/random.hpp"

namespace millrace::broker::cluster {
namespace {

using ::testing::ElementsAre;
using Candidates = std::vector<PlacementCandidate>;

enum class Is : std::uint8_t {
    voter,
    standby,
    away_voter,
    away_standby,
    lost_voter,
    drained_voter,
    drained_standby,
    count
};

PlacementCandidate candidate(std::uint64_t node, const std::string& place, Is is) {
    return {.node = NodeId{node},
            .place = place,
            .votes = is != Is::standby && is != Is::away_standby && is != Is::drained_standby,
            .is_linked = is != Is::away_voter && is != Is::away_standby && is != Is::lost_voter,
            .is_lost = is == Is::lost_voter,
            .is_drained = is == Is::drained_voter || is == Is::drained_standby};
}

std::vector<std::uint64_t> chosen(const Candidates& members,
                                  std::uint64_t leader,
                                  std::size_t voters_max) {
    std::vector<std::uint64_t> nodes;
    for (const auto node : choose_voters(members, NodeId{leader}, voters_max)) {
        nodes.push_back(node.value);
    }
    return nodes;
}

TEST(VoterPlacement, WithoutALimitAllVote) {
    const Candidates members{candidate(1, "a", Is::voter),
                             candidate(2, "a", Is::lost_voter),
                             candidate(3, "a", Is::standby),
                             candidate(4, "a", Is::away_standby)};
    EXPECT_THAT(chosen(members, 1, 0), ElementsAre(1, 2, 3, 4));
}

TEST(VoterPlacement, FewerThanTheLimitAllVote) {
    const Candidates members{candidate(1, "a", Is::voter), candidate(2, "a", Is::standby)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2));
}

TEST(VoterPlacement, VotersFallIntoAsManyPlacesAsThereAre) {
    Candidates members{candidate(1, "a", Is::voter),
                       candidate(2, "a", Is::voter),
                       candidate(3, "b", Is::voter),
                       candidate(4, "b", Is::voter),
                       candidate(5, "c", Is::voter)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 3, 5));
    EXPECT_THAT(chosen(members, 4, 3), ElementsAre(1, 4, 5)) << "the leader votes";
    members[4] = candidate(5, "c", Is::standby);
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 3, 5)) << "spread comes before who votes";
}

TEST(VoterPlacement, PlacesHaveAboutAsManyVotersEach) {
    Candidates members;
    for (std::uint64_t node = 1; node <= 5; ++node) {
        members.push_back(candidate(node, "a", Is::voter));
    }
    members.push_back(candidate(6, "b", Is::standby));
    members.push_back(candidate(7, "b", Is::standby));
    members.push_back(candidate(8, "c", Is::standby));
    EXPECT_THAT(chosen(members, 1, 5), ElementsAre(1, 2, 6, 7, 8))
        << "3, 1 and 1 would lose the majority with a place";
}

TEST(VoterPlacement, AmongEqualsThoseThatVoteStay) {
    const Candidates members{candidate(1, "", Is::standby),
                             candidate(2, "", Is::standby),
                             candidate(3, "", Is::voter),
                             candidate(4, "", Is::voter),
                             candidate(5, "", Is::voter)};
    EXPECT_THAT(chosen(members, 5, 3), ElementsAre(3, 4, 5));
}

TEST(VoterPlacement, ThenTheLowestNumbersVote) {
    const Candidates members{candidate(1, "", Is::voter),
                             candidate(4, "", Is::standby),
                             candidate(3, "", Is::standby),
                             candidate(2, "", Is::standby)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 3));
}

TEST(VoterPlacement, OneThatIsAwayStaysForAWhile) {
    Candidates members{candidate(1, "a", Is::voter),
                       candidate(2, "b", Is::voter),
                       candidate(3, "c", Is::away_voter),
                       candidate(4, "c", Is::standby)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 3));
    members[2] = candidate(3, "c", Is::lost_voter);
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 4));
    members[3] = candidate(4, "c", Is::away_standby);
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 3)) << "there is nobody else";
}

TEST(VoterPlacement, OneThatCameBackStandsByWhereItsPlaceIsTaken) {
    const Candidates members{candidate(1, "a", Is::voter),
                             candidate(2, "b", Is::voter),
                             candidate(3, "c", Is::standby),
                             candidate(4, "c", Is::voter)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 4));
}

TEST(VoterPlacement, OneThatIsDrainedVotesOnlyWhereThereIsNobodyElse) {
    Candidates members{candidate(1, "a", Is::voter),
                       candidate(2, "b", Is::voter),
                       candidate(3, "c", Is::drained_voter),
                       candidate(4, "c", Is::standby)};
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 4));
    EXPECT_THAT(chosen(members, 3, 3), ElementsAre(1, 2, 3)) << "as long as it leads";
    EXPECT_THAT(chosen(members, 1, 0), ElementsAre(1, 2, 3, 4)) << "where all vote it does";
    members[3] = candidate(4, "c", Is::away_standby);
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 3));
    members[3] = candidate(4, "c", Is::drained_standby);
    EXPECT_THAT(chosen(members, 1, 3), ElementsAre(1, 2, 3)) << "the one that votes already";
}

/// How good a choice is; less is better.
using Score = std::tuple<std::size_t, std::size_t>;

/// The squares of how many stand in each place, and how many that vote would not.
Score score_of(const Candidates& members, const std::set<NodeId>& voters) {
    std::map<std::string, std::size_t> count_in;
    std::size_t dropped = 0;
    for (const auto& member : members) {
        if (voters.contains(member.node)) {
            ++count_in[member.place];
        } else {
            dropped += member.votes && !member.is_lost && !member.is_drained ? 1U : 0U;
        }
    }
    std::size_t squares = 0;
    for (const auto& [place, count] : count_in) {
        squares += count * count;
    }
    return {squares, dropped};
}

bool is_good(const PlacementCandidate& member, NodeId leader) {
    return member.node == leader ||
           (!member.is_drained && (member.votes ? !member.is_lost : member.is_linked));
}

/// Of all choices of so many good ones with the leader the best score.
Score best_score(const Candidates& members, NodeId leader, std::size_t count) {
    Score best{SIZE_MAX, SIZE_MAX};
    for (std::size_t mask = 0; mask < std::size_t{1} << members.size(); ++mask) {
        std::set<NodeId> picked;
        for (std::size_t i = 0; i < members.size(); ++i) {
            if ((mask >> i & 1U) != 0 && is_good(members[i], leader)) {
                picked.insert(members[i].node);
            }
        }
        if (picked.size() == count && picked.contains(leader)) {
            best = std::min(best, score_of(members, picked));
        }
    }
    return best;
}

/// Nodes in up to four places, voters and standbys, there and away; node 1 leads.
Candidates some_members(Random& random) {
    Candidates members{candidate(1, std::string(1, 'a'), Is::voter)};
    const auto count = 2 + random.below(7);
    for (std::uint64_t node = 2; node <= count; ++node) {
        members.push_back(
            candidate(node,
                      std::string(1, static_cast<char>('a' + random.below(4))),
                      static_cast<Is>(random.below(static_cast<std::uint64_t>(Is::count)))));
    }
    return members;
}

class VoterPlacementProperties : public ::testing::TestWithParam<std::uint64_t> {
  protected:
    static constexpr NodeId leader{1};
    static constexpr int tries = 400;
    Random random{GetParam()};
};

TEST_P(VoterPlacementProperties, SpreadIsTheBestThatThereIsAndAsManyAsPossibleGoOnToVote) {
    for (int i = 0; i < tries; ++i) {
        const auto members = some_members(random);
        const auto voters_max = std::size_t{3} + 2 * random.below(2);
        const auto voters = choose_voters(members, leader, voters_max);
        ASSERT_LE(voters.size(), voters_max);
        ASSERT_TRUE(voters.contains(leader));
        const auto good = static_cast<std::size_t>(std::ranges::count_if(
            members, [](const auto& member) { return is_good(member, leader); }));
        if (good >= voters_max) {
            ASSERT_EQ(voters.size(), voters_max);
            ASSERT_EQ(score_of(members, voters), best_score(members, leader, voters_max)) << i;
        } else {
            for (const auto& member : members) {
                ASSERT_TRUE(!is_good(member, leader) || voters.contains(member.node)) << i;
            }
        }
    }
}

/// Each chosen one begins to vote, in any order, and then each other one stands by.
TEST_P(VoterPlacementProperties, ChoiceStaysWhileItIsMadeTrueAndAfterwards) {
    for (int i = 0; i < tries; ++i) {
        auto members = some_members(random);
        const auto voters_max = std::size_t{3} + 2 * random.below(2);
        const auto wanted = choose_voters(members, leader, voters_max);
        std::vector<std::size_t> order;
        for (std::size_t at = 0; at < members.size(); ++at) {
            order.insert(order.begin() + static_cast<std::ptrdiff_t>(random.below(at + 1)), at);
        }
        for (const bool begins : {true, false}) {
            for (const auto at : order) {
                if (wanted.contains(members[at].node) == begins) {
                    members[at].votes = begins;
                    ASSERT_EQ(choose_voters(members, leader, voters_max), wanted) << i;
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, VoterPlacementProperties, ::testing::Range(1UL, 9UL));

}  // namespace
}  // namespace millrace::broker::cluster
