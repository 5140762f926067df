#include <algorithm>
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

namespace millrace::broker::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ShardTest : public ::testing::Test {
  protected:
    ShardFixture fixture;
    PartitionId partition = fixture.make_topic("a.b").front();
};

TEST_F(ShardTest, AckComesWithTheDiskAndNotBefore) {
    const auto answer = fixture.publish(partition, ShardFixture::batch_of("one"));
    EXPECT_FALSE(answer->is_there);
    EXPECT_EQ(fixture.shard->bounds(partition)->next, Offset{0});
    fixture.runtime->run_until_idle();
    ASSERT_TRUE(answer->is_there);
    EXPECT_EQ(answer->outcome.code, Errc::ok);
    EXPECT_EQ(answer->outcome.base_offset, Offset{0});
    EXPECT_THAT(fixture.values(partition), ElementsAre("one"));
}

TEST_F(ShardTest, AckedRecordsSurviveAPowerLoss) {
    (void)fixture.publish_now(partition, ShardFixture::batch_of("one"));
    const auto lost = fixture.publish(partition, ShardFixture::batch_of("never sent to the disk"));
    fixture.crash();
    EXPECT_FALSE(lost->is_there);
    fixture.open();
    EXPECT_THAT(fixture.values(partition), ElementsAre("one"));
    const auto next = fixture.publish_now(partition, ShardFixture::batch_of("two"));
    EXPECT_EQ(next.outcome.base_offset, Offset{1});
}

TEST_F(ShardTest, FailedDiskStopsAcksAndSaysSoWhileReadsGoOn) {
    (void)fixture.publish_now(partition, ShardFixture::batch_of("before"));
    fixture.disk.fail_call(0, EIO, storage::SimDisk::Failure::once);
    const auto under_way = fixture.publish_now(partition, ShardFixture::batch_of("under way"));
    ASSERT_TRUE(under_way.is_there);
    EXPECT_EQ(under_way.outcome.code, Errc::shard_failed);
    ASSERT_TRUE(fixture.shard->failure());
    EXPECT_EQ(fixture.shard->failure()->os_error, EIO);
    EXPECT_THAT(fixture.shard->failure()->text, HasSubstr("stopped taking writes"));
    const auto later = fixture.publish_now(partition, ShardFixture::batch_of("later"));
    EXPECT_EQ(later.outcome.code, Errc::shard_failed);
    EXPECT_THAT(fixture.values(partition), ElementsAre("before"));
}

TEST_F(ShardTest, LogThatFindsNoRoomForASegmentStopsTheShardAndItSaysSo) {
    fixture.disk.set_capacity(0);
    auto last = fixture.publish_now(partition, ShardFixture::batch_of(std::string(200'000, 'x')));
    for (int i = 0; i < 40 && last.outcome.code == Errc::ok; ++i) {
        last = fixture.publish_now(partition, ShardFixture::batch_of(std::string(200'000, 'x')));
    }
    EXPECT_EQ(last.outcome.code, Errc::shard_failed);
    ASSERT_TRUE(fixture.shard->failure());
    EXPECT_THAT(fixture.shard->failure()->text, HasSubstr("full"));
    const auto acked = fixture.shard->bounds(partition)->next;
    fixture.crash();
    fixture.disk.set_capacity(1_GiB);
    fixture.open();
    EXPECT_GE(fixture.shard->bounds(partition)->next, acked);
    EXPECT_EQ(fixture.publish_now(partition, ShardFixture::batch_of("x")).outcome.code, Errc::ok);
}

TEST_F(ShardTest, CountsWhatComesInByTopic) {
    const auto count_of = [this](std::string_view name, const std::string& topic) {
        const auto samples = fixture.metrics->samples();
        const auto found = std::ranges::find_if(samples, [&](const auto& sample) {
            return sample.name == name && sample.labels == Labels{{"topic", topic}};
        });
        return found == samples.end() ? -1.0 : found->value;
    };
    const auto others = fixture.make_topic("c.d");
    (void)fixture.publish_now(partition, ShardFixture::batch_of("one"));
    (void)fixture.publish_now(partition, ShardFixture::batch_of("two"));
    (void)fixture.publish_now(others.front(), ShardFixture::batch_of("three"));
    EXPECT_EQ(count_of("millrace_topic_records_in_total", "a.b"), 2);
    EXPECT_EQ(count_of("millrace_topic_records_in_total", "c.d"), 1);
    EXPECT_EQ(count_of("millrace_topic_bytes_in_total", "c.d"),
              static_cast<double>(ShardFixture::batch_of("three").size()));
}

TEST_F(ShardTest, TimeFromPublishToAckIsCountedByTopic) {
    const auto& latency =
        fixture.metrics->histogram("millrace_topic_publish_latency_us", "", {{"topic", "a.b"}});
    const auto answer = fixture.publish(partition, ShardFixture::batch_of("one", 7, 0));
    fixture.clock.advance(std::chrono::milliseconds{3});
    EXPECT_EQ(latency.count(), 0U) << "nothing is acked yet";
    fixture.runtime->run_until_idle();
    ASSERT_TRUE(answer->is_there);
    EXPECT_EQ(latency.count(), 1U);
    EXPECT_GE(latency.sum(), 3'000U);
    (void)fixture.publish_now(partition, ShardFixture::batch_of("one", 7, 0));
    EXPECT_EQ(latency.count(), 1U) << "a repeat was acked long ago";
    fixture.disk.fail_call(0, EIO, storage::SimDisk::Failure::once);
    EXPECT_NE(fixture.publish_now(partition, ShardFixture::batch_of("two")).outcome.code, Errc::ok);
    EXPECT_EQ(latency.count(), 1U) << "nor is what was not acked";
}

TEST_F(ShardTest, AppendTimesDoNotGoDownWhenTheClockIsSetBackWhileAllIsSealed) {
    const auto before = fixture.publish_now(partition, ShardFixture::batch_of("one"));
    ASSERT_TRUE(fixture.shard->stop());
    fixture.clock.advance(-std::chrono::hours{1});
    fixture.open();
    const auto after = fixture.publish_now(partition, ShardFixture::batch_of("two"));
    ASSERT_EQ(after.outcome.code, Errc::ok);
    EXPECT_GE(after.outcome.append_time_us, before.outcome.append_time_us);
}

TEST_F(ShardTest, AppendTimesDoNotGoDownWhenRetentionHasTakenAllRecords) {
    const auto before = fixture.publish_now(partition, ShardFixture::batch_of("one"));
    // Commands alone fill the segments behind it.
    const std::vector<std::byte> command(200'000);
    for (std::size_t bytes = 0; bytes < 3 * fixture.options.store.segment_bytes;
         bytes += command.size()) {
        fixture.shard->propose(command, [](const Result<void>&) {});
        fixture.runtime->run_until_idle();
    }
    fixture.runtime->advance(std::chrono::seconds(1));
    fixture.retire(partition);
    fixture.runtime->advance(std::chrono::seconds(1));
    ASSERT_TRUE(fixture.shard->stop());
    fixture.clock.advance(-std::chrono::hours{1});
    fixture.open();
    ASSERT_THAT(fixture.values(partition), IsEmpty());
    const auto after = fixture.publish_now(partition, ShardFixture::batch_of("two"));
    ASSERT_EQ(after.outcome.code, Errc::ok);
    EXPECT_EQ(after.outcome.base_offset, Offset{1});
    EXPECT_GE(after.outcome.append_time_us, before.outcome.append_time_us);
}

TEST_F(ShardTest, CommandThatFitsIntoNoCommitIsRefusedAndTheShardGoesOn) {
    std::optional<Errc> code;
    fixture.shard->propose(
        std::vector<std::byte>(fixture.options.store.commit_bytes_max),
        [&](const Result<void>& done) { code = done ? Errc::ok : done.error().code; });
    fixture.runtime->run_until_idle();
    EXPECT_EQ(code, Errc::record_too_large);
    const auto next = fixture.publish_now(partition, ShardFixture::batch_of("goes on"));
    EXPECT_EQ(next.outcome.code, Errc::ok);
}

TEST_F(ShardTest, FailedDiskFailsCatalogChangesToo) {
    fixture.disk.fail_call(0, EIO, storage::SimDisk::Failure::for_good);
    (void)fixture.publish_now(partition, ShardFixture::batch_of("x"));
    std::optional<Errc> code;
    fixture.shard->catalog().create_topic(
        {.name = "c.d", .partition_count = 1, .settings = {}},
        IfExists::fail,
        [&](const Result<std::shared_ptr<const TopicInfo>>& topic) {
            code = topic ? Errc::ok : topic.error().code;
        });
    fixture.runtime->run_until_idle();
    EXPECT_EQ(code, Errc::shard_failed);
}

TEST_F(ShardTest, ShortDiskRefusesPublishesUntilThereIsSpaceAgain) {
    (void)fixture.publish_now(partition, ShardFixture::batch_of("before"));
    fixture.crash();
    fixture.options.store.disk_reserve_bytes = 4_MiB;
    fixture.open();
    fixture.disk.set_capacity(4_MiB);
    fixture.runtime->advance(std::chrono::seconds(1));
    const auto refused = fixture.publish_now(partition, ShardFixture::batch_of("refused"));
    EXPECT_EQ(refused.outcome.code, Errc::out_of_space);
    EXPECT_TRUE(is_retryable(refused.outcome.code));
    EXPECT_THAT(refused.text, HasSubstr("disk_reserve_bytes"));
    EXPECT_THAT(fixture.values(partition), ElementsAre("before"));
    fixture.disk.set_capacity(1_GiB);
    fixture.runtime->advance(std::chrono::seconds(1));
    EXPECT_EQ(fixture.publish_now(partition, ShardFixture::batch_of("after")).outcome.code,
              Errc::ok);
    EXPECT_THAT(fixture.values(partition), ElementsAre("before", "after"));
}

TEST_F(ShardTest, RepeatIsADuplicateWithTheFirstOffsetAlsoAfterARestart) {
    const auto batch = ShardFixture::batch_of("one", 7, 0);
    const auto first = fixture.publish_now(partition, batch);
    EXPECT_FALSE(first.outcome.duplicate);
    for (int life = 0; life < 2; ++life) {
        const auto again = fixture.publish_now(partition, batch);
        EXPECT_EQ(again.outcome.code, Errc::ok);
        EXPECT_TRUE(again.outcome.duplicate);
        EXPECT_EQ(again.outcome.base_offset, first.outcome.base_offset);
        EXPECT_EQ(again.outcome.append_time_us, first.outcome.append_time_us);
        fixture.crash();
        fixture.open();
    }
    EXPECT_THAT(fixture.values(partition), ElementsAre("one"));
}

TEST_F(ShardTest, RepeatOfWhatIsUnderWayWaitsWithIt) {
    const auto batch = ShardFixture::batch_of("one", 7, 0);
    const auto first = fixture.publish(partition, batch);
    const auto again = fixture.publish(partition, batch);
    EXPECT_FALSE(again->is_there);
    fixture.runtime->run_until_idle();
    EXPECT_TRUE(first->is_there);
    ASSERT_TRUE(again->is_there);
    EXPECT_TRUE(again->outcome.duplicate);
    EXPECT_THAT(fixture.values(partition), ElementsAre("one"));
}

TEST_F(ShardTest, SequenceWithAGapIsRefused) {
    (void)fixture.publish_now(partition, ShardFixture::batch_of("one", 7, 0));
    const auto gap = fixture.publish_now(partition, ShardFixture::batch_of("three", 7, 2));
    EXPECT_EQ(gap.outcome.code, Errc::sequence_out_of_order);
    EXPECT_THAT(gap.text, HasSubstr("sequence 2, expected 1"));
    EXPECT_EQ(fixture.publish_now(partition, ShardFixture::batch_of("two", 7, 1)).outcome.code,
              Errc::ok);
    EXPECT_THAT(fixture.values(partition), ElementsAre("one", "two"));
}

TEST_F(ShardTest, WhatMayBeInTheLogUnderAForgottenSequenceIsNoGap) {
    constexpr std::int32_t batch_count = wire::producer_batches_in_flight_max + 1;
    for (std::int32_t sequence = 0; sequence < batch_count; ++sequence) {
        (void)fixture.publish_now(partition, ShardFixture::batch_of("x", 7, sequence));
    }
    const auto forgotten = fixture.publish_now(partition, ShardFixture::batch_of("x", 7, 0));
    EXPECT_EQ(forgotten.outcome.code, Errc::sequence_too_old);
    EXPECT_THAT(forgotten.text, HasSubstr("sequence 0, expected 9"));
    const auto known = fixture.publish_now(partition, ShardFixture::batch_of("x", 7, 1));
    EXPECT_TRUE(known.outcome.duplicate);
    EXPECT_EQ(fixture.values(partition).size(), static_cast<std::size_t>(batch_count));
}

TEST_F(ShardTest, ReadsUnderWayAreAnsweredBeforeItHasStopped) {
    fixture.publish_now(partition, ShardFixture::batch_of("old"));
    fixture.finish_segment(fixture.make_topic("filler").front());  // and out of the tail's cache
    bool is_answered = false;
    fixture.shard->read({.partition = partition, .from = Offset{0}, .bytes_max = 1_MiB},
                        [&is_answered](const Result<storage::ReadResult>& result) {
                            EXPECT_TRUE(result);
                            is_answered = true;
                        });
    ASSERT_FALSE(is_answered) << "the disk has it";
    EXPECT_TRUE(fixture.shard->stop());
    EXPECT_TRUE(is_answered);
}

TEST_F(ShardTest, UnknownPartitionIsRefused) {
    const auto refused = fixture.publish_now(PartitionId{4711}, ShardFixture::batch_of("x"));
    EXPECT_EQ(refused.outcome.code, Errc::unknown_partition);
}

TEST_F(ShardTest, FlippedBitInABatchIsRefused) {
    auto batch = ShardFixture::batch_of("one");
    batch.back() ^= std::byte{1};
    EXPECT_EQ(fixture.publish_now(partition, batch).outcome.code, Errc::checksum_mismatch);
    EXPECT_THAT(fixture.values(partition), IsEmpty());
}

TEST_F(ShardTest, LimitOnABatchNamesItself) {
    fixture.crash();
    fixture.options.record_batch_bytes_max = 1'000;
    fixture.open();
    const auto fits = fixture.publish_now(partition, ShardFixture::batch_of(std::string(900, 'x')));
    EXPECT_EQ(fits.outcome.code, Errc::ok);
    const auto large =
        fixture.publish_now(partition, ShardFixture::batch_of(std::string(1'000, 'x')));
    EXPECT_EQ(large.outcome.code, Errc::record_too_large);
    EXPECT_THAT(large.text, HasSubstr("record_batch_bytes_max is 1000"));
}

TEST_F(ShardTest, LimitOnWhatIsUnderWayNamesItselfAndEndsWithTheDisk) {
    fixture.crash();
    fixture.options.publish.bytes_pending_max = 500;
    fixture.open();
    std::vector<std::shared_ptr<ShardFixture::Answer>> answers;
    for (int i = 0; i < 8; ++i) {
        answers.push_back(
            fixture.publish(partition, ShardFixture::batch_of(std::string(200, 'x'))));
        fixture.shard->store().submit();
    }
    fixture.runtime->run_until_idle();
    int refused = 0;
    for (const auto& answer : answers) {
        ASSERT_TRUE(answer->is_there);
        if (answer->outcome.code != Errc::ok) {
            EXPECT_EQ(answer->outcome.code, Errc::limit_reached);
            EXPECT_THAT(answer->text, HasSubstr("publish_bytes_pending_max"));
            ++refused;
        }
    }
    EXPECT_EQ(fixture.values(partition).size(), 8U - static_cast<std::size_t>(refused));
    EXPECT_EQ(fixture.publish_now(partition, ShardFixture::batch_of("after")).outcome.code,
              Errc::ok);
}

/// Keeps the last command as a row of the state.
class OneRow final : public CommandHandler {
  public:
    void restore(storage::ShardStore& store) override {
        const auto row = store.get_state("row").value();
        bytes = row ? row->size() : 0;
    }
    void apply(RaftIndex /*index*/, std::span<const std::byte> command) override {
        bytes += command.size();
    }
    void write_state(storage::StateWriter& state) override {
        // What is gathered from many commands may be larger than any one of them.
        state.put("row", std::string(bytes, 'r'));
    }
    void start() override {}

    std::size_t bytes = 0;
};

TEST(ShardState, RowLargerThanACommitOutlivesItsSegmentsAndTheIndex) {
    std::unique_ptr<OneRow> row;
    ShardFixture fixture(1, [&](Shard& shard) {
        row = std::make_unique<OneRow>();
        shard.register_handler(*row);
    });
    const auto partition = fixture.make_topic("a.b").front();
    for (int i = 0; i < 3; ++i) {
        fixture.shard->propose(std::vector<std::byte>(200'000), [](const Result<void>& done) {
            EXPECT_TRUE(done) << done.error().text;
        });
        fixture.runtime->run_until_idle();
    }
    for (int i = 0; i < 40; ++i) {
        (void)fixture.publish_now(partition, ShardFixture::batch_of(std::string(100'000, 'x')));
        fixture.runtime->advance(std::chrono::milliseconds(100));
    }
    const auto first = fixture.disk.paths().front();
    ASSERT_TRUE(fixture.shard->store().drop_partition(partition));
    fixture.runtime->advance(std::chrono::seconds(5));
    EXPECT_EQ(fixture.shard->store().stats().state_dump_failure, "");
    EXPECT_THAT(fixture.disk.paths(), Not(Contains(first)));
    fixture.crash();  // and with it the index
    fixture.open();
    EXPECT_EQ(row->bytes, 600'000U);
}

TEST_F(ShardTest, RetiredTopicRefusesAndNamesWhatReplacesIt) {
    TopicAlteration change;
    change.name = "a.b";
    change.lifecycle = Lifecycle::retired;
    change.replaced_by = "a.c";
    fixture.shard->catalog().alter_topic(
        change, [](const auto& altered) { ASSERT_TRUE(altered) << altered.error().text; });
    fixture.runtime->run_until_idle();
    const auto refused = fixture.publish_now(partition, ShardFixture::batch_of("x"));
    EXPECT_EQ(refused.outcome.code, Errc::topic_retired);
    EXPECT_THAT(refused.text, HasSubstr("use a.c"));
}

}  // namespace
}  // namespace millrace::broker::testing
