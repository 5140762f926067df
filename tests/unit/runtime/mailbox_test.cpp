#include "broker/runtime/mailbox.hpp"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ShardId zero{0};
constexpr ShardId one{1};

TEST(Mailbox, IsFullAtItsCapacityAndKeepsTheRefusedTask) {
    Mailbox mailbox;
    std::size_t ran = 0;
    for (std::size_t i = 0; i < Mailbox::capacity; ++i) {
        Task task = [&ran] { ++ran; };
        ASSERT_TRUE(mailbox.push(task));
    }
    Task refused = [&ran] { ran += 1'000; };
    EXPECT_FALSE(mailbox.push(refused));
    ASSERT_TRUE(refused);
    EXPECT_EQ(mailbox.run_all(), Mailbox::capacity);
    EXPECT_EQ(ran, Mailbox::capacity);
    EXPECT_TRUE(mailbox.push(refused));
}

TEST(Mailbox, PassesEveryTaskBetweenThreadsInOrder) {
    constexpr int tasks = 100'000;
    Mailbox mailbox;
    std::vector<int> ran;
    const auto send = [&mailbox, &ran](int number) {
        Task task = [&ran, number] { ran.push_back(number); };
        while (!mailbox.push(task)) {
            std::this_thread::yield();
        }
    };
    std::jthread sender([&send] {
        for (int i = 0; i < tasks; ++i) {
            send(i);
        }
    });
    while (ran.size() < tasks) {
        mailbox.run_all();
    }
    EXPECT_TRUE(std::ranges::is_sorted(ran));
    EXPECT_EQ(ran.size(), static_cast<std::size_t>(tasks));
}

TEST(ShardMesh, NamesThoseWhoHaveSomethingNew) {
    MetricsRegistry metrics;
    ShardMesh mesh(3, metrics);
    EXPECT_THAT(mesh.flush(zero), IsEmpty());
    mesh.post(zero, one, [] {});
    mesh.post(zero, one, [] {});
    EXPECT_THAT(mesh.flush(zero), ElementsAre(one));
    EXPECT_THAT(mesh.flush(zero), IsEmpty());
    EXPECT_EQ(mesh.run_all(one), 2U);
    EXPECT_EQ(mesh.run_all(zero), 0U);
}

TEST(ShardMesh, WhatDoesNotFitWaitsInOrderAndIsCounted) {
    MetricsRegistry metrics;
    ShardMesh mesh(2, metrics);
    auto& waiting = metrics.gauge("millrace_mailbox_waiting",
                                  "Messages between shards that wait because a mailbox is full.");
    std::vector<std::size_t> ran;
    constexpr std::size_t more = 10;
    for (std::size_t i = 0; i < Mailbox::capacity + more; ++i) {
        mesh.post(zero, one, [&ran, i] { ran.push_back(i); });
    }
    EXPECT_TRUE(mesh.has_waiting(zero));
    EXPECT_EQ(waiting.value(), static_cast<std::int64_t>(more));
    mesh.run_all(one);
    EXPECT_THAT(mesh.flush(zero), ElementsAre(one));
    EXPECT_FALSE(mesh.has_waiting(zero));
    EXPECT_EQ(waiting.value(), 0);
    mesh.run_all(one);
    EXPECT_EQ(ran.size(), Mailbox::capacity + more);
    EXPECT_TRUE(std::ranges::is_sorted(ran));
}

}  // namespace
}  // namespace millrace::broker
