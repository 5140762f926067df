#include "client/cli/text/suggest.hpp"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

TEST(DistanceOf, CountsChangesAndSwapsOfNeighboursOnce) {
    EXPECT_EQ(distance_of("topic", "topic"), 0U);
    EXPECT_EQ(distance_of("topik", "topic"), 1U);
    EXPECT_EQ(distance_of("toipc", "topic"), 1U);
    EXPECT_EQ(distance_of("", "abc"), 3U);
    EXPECT_EQ(distance_of("kitten", "sitting"), 3U);
}

TEST(Nearest, FindsTheWordThatWasMeant) {
    const std::vector<std::string> commands{"topic", "publish", "consume", "status"};
    EXPECT_EQ(nearest("topik", commands), "topic");
    EXPECT_EQ(nearest("pubish", commands), "publish");
    EXPECT_EQ(nearest("cons", commands), "consume");
}

TEST(Nearest, StaysSilentWhenNothingIsNear) {
    const std::vector<std::string> commands{"topic", "publish", "state", "status", "ls"};
    EXPECT_EQ(nearest("restart", commands), std::nullopt);
    EXPECT_EQ(nearest("st", commands), std::nullopt) << "begins two words";
    EXPECT_EQ(nearest("xy", commands), std::nullopt);
    EXPECT_EQ(nearest("", commands), std::nullopt);
}

}  // namespace
}  // namespace millrace::cli
