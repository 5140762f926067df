#include "broker/delivery/progress/settled_runs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/delivery/commands.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(SettledRuns, NeighboursBecomeOneInWhateverOrderTheyCome) {
    SettledRuns runs;
    runs.add(Offset{5}, 1);
    runs.add(Offset{3}, 1);
    runs.add(Offset{4}, 1);
    runs.add(Offset{9}, 2);
    EXPECT_THAT(runs.take(), ElementsAre(Pair(Offset{3}, 3U), Pair(Offset{9}, 2U)));
    EXPECT_TRUE(runs.take().empty());
}

TEST(SettledRuns, OverlapsBecomeOneThatACommandCanCarry) {
    SettledRuns runs;
    runs.add(Offset{0}, 5'000);
    runs.add(Offset{7}, 1);
    runs.add(Offset{4'999}, 3);
    const auto taken = runs.take();
    EXPECT_THAT(taken, ElementsAre(Pair(Offset{0}, 5'002U)));
    const auto parsed = parse_command(format_command(SettleCommand{.key = {}, .runs = taken}));
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(std::get<SettleCommand>(parsed.value()).runs, taken);
}

}  // namespace
}  // namespace millrace::broker::delivery
