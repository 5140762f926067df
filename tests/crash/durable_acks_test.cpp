#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

// Speed must not be bought with durability: in closed loops over the simulated disk no ack comes
// before its event would survive a power loss, and no durable write stands for more acks than
// events were outstanding.

namespace millrace::broker::testing {
namespace {

constexpr std::uint32_t partition_count = 3;
constexpr std::size_t value_bytes = 3'000;  // a run goes through several segments

/// Publishes events one to a batch, so many unacked at a time, and looks at the disk at each ack.
class AckLoop {
  public:
    AckLoop(std::uint64_t seed, std::uint32_t outstanding)
        : fixture(seed),
          partitions_(fixture.make_topic("a.b", partition_count)),
          outstanding_max_(outstanding),
          writes_before_(fixture.disk.durable_writes()),
          writes_seen_(writes_before_) {}

    /// One event a turn, where that many may be outstanding.
    void run(std::uint32_t events) {
        constexpr int idle_turns_max = 100;  // a slow disk rests, too
        std::uint32_t sent = 0;
        for (int idle = 0; acked < events && !::testing::Test::HasFatalFailure();) {
            ASSERT_LT(idle, idle_turns_max) << "nothing happens any more, acked: " << acked;
            if (sent < events && sent - acked < outstanding_max_) {
                send(sent++);
            }
            idle = fixture.runtime->turn() == 0 ? idle + 1 : 0;
        }
    }
    [[nodiscard]] std::uint64_t durable_writes() const {
        return fixture.disk.durable_writes() - writes_before_;
    }

    ShardFixture fixture;
    std::uint32_t acked = 0;
    std::uint32_t uncovered = 0;    ///< acks of events that a power loss could take
    std::uint32_t acks_in_row = 0;  ///< without a durable write between them
    std::uint32_t acks_in_row_max = 0;

  private:
    void send(std::uint32_t number) {
        const auto mark = "event " + std::to_string(number) + ";";
        const auto batch = ShardFixture::batch_of(mark + std::string(value_bytes, '.'));
        const PublishBatch one{.partition = partitions_[number % partition_count], .batch = batch};
        fixture.shard->publish(
            {&one, 1},
            [this, mark](const std::vector<PublishOutcome>& outcomes, const std::string& text) {
                ASSERT_EQ(outcomes.front().code, Errc::ok) << text;
                take_ack(mark);
            });
    }

    void take_ack(std::string_view mark) {
        ++acked;
        uncovered += is_durable(mark) ? 0U : 1U;
        const auto writes = fixture.disk.durable_writes();
        acks_in_row = writes == writes_seen_ ? acks_in_row + 1 : 1;
        writes_seen_ = writes;
        acks_in_row_max = std::max(acks_in_row_max, acks_in_row);
    }

    [[nodiscard]] bool is_durable(std::string_view mark) const {
        return std::ranges::any_of(fixture.disk.paths(), [&](const std::string& path) {
            const auto bytes = fixture.disk.durable_contents(path);
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes are looked at as
            // text.
            const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            return text.find(mark) != std::string_view::npos;
        });
    }

    std::vector<PartitionId> partitions_;
    std::uint32_t outstanding_max_;
    std::uint64_t writes_before_;
    std::uint64_t writes_seen_;
};

TEST(DurableAcks, OneOutstandingTakesADurableWriteForEachAck) {
    constexpr std::uint32_t events = 400;
    AckLoop loop(1, 1);
    loop.run(events);
    EXPECT_EQ(loop.acked, events);
    EXPECT_EQ(loop.uncovered, 0U);
    EXPECT_EQ(loop.acks_in_row_max, 1U);
    EXPECT_GE(loop.durable_writes(), events);
}

TEST(DurableAcks, WriteStandsForNoMoreAcksThanWereOutstanding) {
    constexpr std::uint32_t events = 800;
#ifdef MILLRACE_SANITIZED
    constexpr std::uint64_t seeds = 2;
#else
    constexpr std::uint64_t seeds = 5;
#endif
    for (const std::uint32_t outstanding : {2U, 16U, 64U}) {
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            AckLoop loop(seed, outstanding);
            loop.fixture.disk.slow_down();
            loop.run(events);
            EXPECT_EQ(loop.acked, events) << "seed " << seed;
            EXPECT_EQ(loop.uncovered, 0U) << "seed " << seed;
            EXPECT_LE(loop.acks_in_row_max, outstanding) << "seed " << seed;
            EXPECT_GE(loop.durable_writes() * outstanding, events) << "seed " << seed;
        }
    }
}

TEST(DurableAcks, DiskThatLiesIsSeen) {
    constexpr std::uint32_t events = 20;
    AckLoop loop(1, 4);
    loop.fixture.disk.lie();
    loop.run(events);
    EXPECT_EQ(loop.acked, events);
    EXPECT_EQ(loop.uncovered, events);
}

}  // namespace
}  // namespace millrace::broker::testing
