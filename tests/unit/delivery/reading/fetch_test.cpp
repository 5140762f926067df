#include "broker/delivery/reading/fetch.hpp"

#include <gmock/gmock.h>

#include "tests/unit/broker/shard_fixture.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct FetchTest : ::testing::Test {
    void fetch(FetchPlan plan) {
        fetcher.start(std::move(plan), [this](std::vector<Fetched> got) {
            ++answers;
            found = std::move(got);
        });
        fixture.runtime->run_until_idle();
    }

    broker::testing::ShardFixture fixture;
    std::vector<PartitionId> partitions = fixture.make_topic("a.b", 2);
    Fetcher fetcher{*fixture.shard};
    std::vector<Fetched> found;
    int answers = 0;
};

TEST_F(FetchTest, OneThatWaitsIsRegisteredOnceHoweverOftenItLooks) {
    fetch({.wanted = {{.partition = partitions[0], .offset = Offset{0}, .bytes_max = 1'000'000},
                      {.partition = partitions[1], .offset = Offset{0}, .bytes_max = 1'000'000}},
           .bytes_min = 1'000'000,
           .bytes_max = 1'000'000,
           .wait_max = 1s});
    for (int i = 0; i < 20; ++i) {
        fixture.publish_now(partitions[0], broker::testing::ShardFixture::batch_of("v"));
    }
    EXPECT_EQ(answers, 0);
    EXPECT_EQ(fetcher.waiters().waiting(partitions[0]), 1U);
    EXPECT_EQ(fetcher.waiters().waiting(partitions[1]), 1U);
    fixture.runtime->advance(1s);
    EXPECT_EQ(answers, 1);
    EXPECT_THAT(found[0].runs, Not(IsEmpty()));
}

TEST_F(FetchTest, WhatMayNotComeIsNotWaitedFor) {
    fixture.publish_now(partitions[0],
                        broker::testing::ShardFixture::batch_of(std::string(1'000, 'v')));
    fetch({.wanted = {{.partition = partitions[0], .offset = Offset{0}, .bytes_max = 500}},
           .bytes_min = 1'000'000,
           .bytes_max = 500,
           .wait_max = 60s});
    EXPECT_EQ(answers, 1);
    EXPECT_THAT(found, SizeIs(1));
}

TEST(FetchShare, ShardsShareHalfOfAFrame) {
    EXPECT_EQ(fetch_share(100, 1'000, 1), 100U);
    EXPECT_EQ(fetch_share(10'000, 1'000, 1), 500U);
    EXPECT_EQ(fetch_share(10'000, 1'000, 4), 125U);
    EXPECT_EQ(fetch_share(0, 1'000, 4), 1U) << "one batch comes in any case";
}

}  // namespace
}  // namespace millrace::broker::delivery
