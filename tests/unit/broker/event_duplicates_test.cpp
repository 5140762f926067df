#include <algorithm>
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/shard/intake/event_filter.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A record by its value, which is its event id too, or by other headers.
struct Event {
    std::string value;
    std::vector<wire::HeaderView> headers;
};

Event event(std::string_view id) {
    return {.value = std::string(id), .headers = {{.key = wire::event_id_header, .value = id}}};
}
Event plain(const std::string& value) {
    return {.value = value, .headers = {}};
}

struct Sender {
    std::int64_t producer = -1;
    std::int32_t sequence = -1;
    wire::Codec codec = wire::Codec::none;
};

std::vector<std::byte> batch_of(const std::vector<Event>& events, const Sender& sender = {}) {
    wire::RecordBatchBuilder builder;
    for (const auto& one : events) {
        builder.add({.key = std::nullopt,
                     .value = one.value,
                     .headers = one.headers,
                     .event_time_us = 1'000});
    }
    return builder
        .finish({.id = sender.producer, .epoch = 0, .base_sequence = sender.sequence}, sender.codec)
        .value();
}

class EventDuplicates : public ::testing::Test {
  protected:
    using Repeats = std::vector<std::pair<std::uint32_t, std::uint64_t>>;

    ShardFixture::Answer publish(const std::vector<Event>& events, const Sender& sender = {}) {
        return fixture.publish_now(partition, batch_of(events, sender));
    }
    static Repeats repeats_of(const ShardFixture::Answer& answer) {
        Repeats found;
        for (const auto& repeat : answer.outcome.repeats) {
            found.emplace_back(repeat.number, repeat.offset.value);
        }
        return found;
    }
    void set_window(std::chrono::milliseconds window) const {
        TopicAlteration change;
        change.name = "a.b";
        change.duplicate_window_ms = static_cast<std::uint64_t>(window.count());
        fixture.shard->catalog().alter_topic(
            change, [](const auto& altered) { ASSERT_TRUE(altered) << altered.error().text; });
        fixture.runtime->run_until_idle();
    }
    void power_loss() {
        fixture.crash();
        fixture.open();
    }
    [[nodiscard]] std::uint64_t metric(const std::string& name) const {
        const auto samples = fixture.metrics->samples();
        const auto found = std::ranges::find(samples, name, &MetricSample::name);
        return found == samples.end() ? 0 : static_cast<std::uint64_t>(found->value);
    }
    void checkpoint() const { ASSERT_TRUE(fixture.shard->store().checkpoint()); }

    ShardFixture fixture;
    PartitionId partition = fixture.make_topic("a.b").front();
};

TEST_F(EventDuplicates, EventPublishedAgainIsAckedWithTheFirstOffset) {
    (void)publish({plain("before")});
    const auto first = publish({event("WO-1")});
    EXPECT_FALSE(first.outcome.duplicate);
    const auto again = publish({event("WO-1")});
    EXPECT_EQ(again.outcome.code, Errc::ok);
    EXPECT_TRUE(again.outcome.duplicate);
    EXPECT_EQ(again.outcome.base_offset, first.outcome.base_offset);
    EXPECT_EQ(again.outcome.append_time_us, first.outcome.append_time_us);
    EXPECT_THAT(fixture.values(partition), ElementsAre("before", "WO-1"));
    EXPECT_EQ(metric("millrace_shard_event_duplicates_total"), 1U);
    EXPECT_EQ(metric("millrace_topic_duplicates_total"), 1U);
    EXPECT_EQ(metric("millrace_shard_event_ids"), 1U);
}

TEST_F(EventDuplicates, IdsSurviveAPowerLossBeforeAndBehindACheckpoint) {
    (void)publish({event("sealed")});
    checkpoint();
    (void)publish({event("behind")});
    for (int life = 0; life < 2; ++life) {
        power_loss();
        EXPECT_TRUE(publish({event("sealed")}).outcome.duplicate);
        EXPECT_TRUE(publish({event("behind")}).outcome.duplicate);
    }
    checkpoint();
    power_loss();
    EXPECT_TRUE(publish({event("sealed"), event("behind")}).outcome.duplicate);
    EXPECT_THAT(fixture.values(partition), ElementsAre("sealed", "behind"));
}

TEST_F(EventDuplicates, EventThatNeverReachedTheDiskIsTakenWhenItComesAgain) {
    const auto lost = fixture.publish(partition, batch_of({event("WO-1")}));
    power_loss();
    EXPECT_FALSE(lost->is_there);
    const auto again = publish({event("WO-1")});
    EXPECT_FALSE(again.outcome.duplicate);
    EXPECT_THAT(fixture.values(partition), ElementsAre("WO-1"));
}

TEST_F(EventDuplicates, EventThatTheDiskRefusedIsTakenAfterTheRestart) {
    fixture.disk.fail_call(0, EIO, storage::SimDisk::Failure::once);
    EXPECT_EQ(publish({event("WO-1")}, {.producer = 7, .sequence = 0}).outcome.code,
              Errc::shard_failed);
    EXPECT_EQ(metric("millrace_shard_event_ids"), 0U);
    power_loss();
    const auto again = publish({event("WO-1")}, {.producer = 7, .sequence = 0});
    EXPECT_EQ(again.outcome.code, Errc::ok);
    EXPECT_THAT(fixture.values(partition), ElementsAre("WO-1"));
}

TEST_F(EventDuplicates, SecondOneOfATurnWaitsForTheFirst) {
    const auto first = fixture.publish(partition, batch_of({event("WO-1")}));
    const auto second = fixture.publish(partition, batch_of({event("WO-1")}));
    const auto third = fixture.publish(partition, batch_of({event("WO-1"), event("WO-2")}));
    EXPECT_FALSE(second->is_there);
    EXPECT_FALSE(third->is_there);
    fixture.runtime->run_until_idle();
    ASSERT_TRUE(first->is_there && second->is_there && third->is_there);
    EXPECT_TRUE(second->outcome.duplicate);
    EXPECT_EQ(second->outcome.base_offset, first->outcome.base_offset);
    EXPECT_EQ(repeats_of(*third), (Repeats{{0, 0}}));
    EXPECT_EQ(third->outcome.base_offset, Offset{1});
    EXPECT_THAT(fixture.values(partition), ElementsAre("WO-1", "WO-2"));
}

TEST_F(EventDuplicates, SecondOneOfATurnFailsWithTheFirst) {
    fixture.disk.fail_call(0, EIO, storage::SimDisk::Failure::once);
    const auto first = fixture.publish(partition, batch_of({event("WO-1")}));
    const auto second = fixture.publish(partition, batch_of({event("WO-1")}));
    fixture.runtime->run_until_idle();
    ASSERT_TRUE(first->is_there && second->is_there);
    EXPECT_EQ(first->outcome.code, Errc::shard_failed);
    EXPECT_EQ(second->outcome.code, Errc::shard_failed);
}

TEST_F(EventDuplicates, MixedBatchKeepsWhatIsNewAndSaysWhereTheRestIs) {
    (void)publish({plain("before"), event("A"), event("B")});
    const auto mixed =
        publish({event("B"), plain("new"), event("C"), event("A"), event("C"), event("D")});
    EXPECT_EQ(mixed.outcome.code, Errc::ok);
    EXPECT_FALSE(mixed.outcome.duplicate);
    EXPECT_EQ(mixed.outcome.base_offset, Offset{3});
    EXPECT_EQ(repeats_of(mixed), (Repeats{{0, 2}, {3, 1}, {4, 4}}));
    EXPECT_THAT(fixture.values(partition), ElementsAre("before", "A", "B", "new", "C", "D"));
    const auto again = publish({event("D"), event("C")});
    EXPECT_TRUE(again.outcome.duplicate);
    EXPECT_EQ(repeats_of(again), (Repeats{{0, 5}, {1, 4}}));
}

TEST_F(EventDuplicates, CompressedBatchesAreLookedInto) {
    for (const auto codec : {wire::Codec::lz4, wire::Codec::zstd}) {
        const auto name = std::to_string(static_cast<int>(codec));
        (void)publish({event("A" + name)}, {.codec = codec});
        const auto mixed = publish({event("A" + name), event("B" + name)}, {.codec = codec});
        EXPECT_EQ(mixed.outcome.repeats.size(), 1U);
        EXPECT_TRUE(publish({event("B" + name)}).outcome.duplicate);
    }
    EXPECT_THAT(fixture.values(partition), ElementsAre("A3", "B3", "A4", "B4"));
}

TEST_F(EventDuplicates, SequencesGoOnBehindBatchesThatWereCutOrLeftOut) {
    (void)publish({event("A"), event("B")}, {.producer = 7, .sequence = 0});
    (void)publish({event("A"), event("C")}, {.producer = 7, .sequence = 2});
    EXPECT_TRUE(
        publish({event("B"), event("C")}, {.producer = 7, .sequence = 4}).outcome.duplicate);
    for (int life = 0; life < 3; ++life) {
        power_loss();
        // Sent again because its answer was lost: the places are the same.
        const auto cut = publish({event("A"), event("C")}, {.producer = 7, .sequence = 2});
        EXPECT_EQ(cut.outcome.code, Errc::ok) << cut.text;
        EXPECT_TRUE(cut.outcome.duplicate);
        EXPECT_EQ(repeats_of(cut), (Repeats{{0, 0}}));
        EXPECT_EQ(cut.outcome.base_offset, Offset{2});
        const auto left_out = publish({event("B"), event("C")}, {.producer = 7, .sequence = 4});
        EXPECT_EQ(left_out.outcome.code, Errc::ok) << left_out.text;
        EXPECT_TRUE(left_out.outcome.duplicate);
        if (life == 1) {
            checkpoint();
        }
    }
    const auto next = publish({event("D")}, {.producer = 7, .sequence = 6});
    EXPECT_EQ(next.outcome.code, Errc::ok) << next.text;
    EXPECT_EQ(next.outcome.base_offset, Offset{3});
    EXPECT_THAT(fixture.values(partition), ElementsAre("A", "B", "C", "D"));
}

TEST_F(EventDuplicates, WindowEndsAndCanBeSwitchedOff) {
    set_window(std::chrono::seconds(10));
    (void)publish({event("A")});
    fixture.runtime->advance(std::chrono::seconds(9));
    EXPECT_TRUE(publish({event("A")}).outcome.duplicate);
    fixture.runtime->advance(std::chrono::seconds(1));
    EXPECT_FALSE(publish({event("A")}).outcome.duplicate);
    EXPECT_TRUE(publish({event("A")}).outcome.duplicate);
    EXPECT_EQ(metric("millrace_shard_event_ids"), 1U);
    EXPECT_EQ(metric("millrace_shard_event_ids_evicted_total"), 0U);
    set_window(std::chrono::seconds(0));
    EXPECT_FALSE(publish({event("A"), event("A")}).outcome.duplicate);
    EXPECT_EQ(fixture.values(partition).size(), 4U);
}

TEST_F(EventDuplicates, ExpiredIdsLeaveTheStateWithTheNextCheckpoint) {
    set_window(std::chrono::seconds(10));
    (void)publish({event("A")});
    checkpoint();
    const auto rows = [this] {
        int count = 0;
        (void)fixture.shard->store().visit_state("e/", "", [&](auto, auto) { return ++count > 0; });
        return count;
    };
    EXPECT_EQ(rows(), 1);
    fixture.runtime->advance(std::chrono::seconds(11));
    checkpoint();
    EXPECT_EQ(rows(), 0);
    EXPECT_EQ(metric("millrace_shard_event_ids"), 0U);
}

TEST_F(EventDuplicates, LimitOfAPartitionForgetsTheOldestAndCountsThem) {
    fixture.crash();
    fixture.options.event_ids_per_partition_max = 2;
    fixture.open();
    (void)publish({event("A"), event("B")});
    EXPECT_EQ(metric("millrace_shard_event_ids_evicted_total"), 0U);
    (void)publish({event("C")});
    EXPECT_EQ(metric("millrace_shard_event_ids_evicted_total"), 1U);
    EXPECT_EQ(metric("millrace_shard_event_ids"), 2U);
    EXPECT_TRUE(publish({event("B"), event("C")}).outcome.duplicate);
    EXPECT_FALSE(publish({event("A")}).outcome.duplicate);
    power_loss();
    EXPECT_EQ(metric("millrace_shard_event_ids"), 2U);
    EXPECT_TRUE(publish({event("C"), event("A")}).outcome.duplicate);
}

TEST_F(EventDuplicates, LimitOfTheShardForgetsTheOldestOfAllPartitions) {
    const auto other = fixture.make_topic("c.d").front();
    fixture.crash();
    fixture.options.event_ids_per_shard_max = 2;
    fixture.open();
    (void)publish({event("A")});
    fixture.clock.advance(std::chrono::seconds(1));
    (void)fixture.publish_now(other, batch_of({event("A"), event("B")}));
    EXPECT_EQ(metric("millrace_shard_event_ids"), 2U);
    EXPECT_TRUE(fixture.publish_now(other, batch_of({event("A")})).outcome.duplicate);
    EXPECT_FALSE(publish({event("A")}).outcome.duplicate);
}

TEST_F(EventDuplicates, ReplayedRecordIsNoRepeatOfTheEventButOfItself) {
    (void)publish({event("A")});
    auto replayed = event("A");
    replayed.headers.push_back({.key = wire::replay_id_header, .value = "r-1"});
    replayed.headers.push_back({.key = wire::origin_header, .value = "a.b/0@0"});
    auto other = replayed;
    other.headers.back().value = "a.b/0@1";
    EXPECT_FALSE(publish({replayed}).outcome.duplicate);
    EXPECT_TRUE(publish({replayed}).outcome.duplicate);
    EXPECT_FALSE(publish({other}).outcome.duplicate);
    EXPECT_TRUE(publish({event("A")}).outcome.duplicate);
    // Made of the replayed one by somebody who copies headers.
    auto derived = replayed;
    derived.value = "derived";
    EXPECT_FALSE(publish({derived}).outcome.duplicate);
    EXPECT_EQ(fixture.values(partition).size(), 4U);
}

TEST_F(EventDuplicates, RemovedTopicTakesItsIdsAlong) {
    (void)publish({event("A")});
    checkpoint();
    fixture.shard->catalog().delete_topic(
        "a.b", [](const Result<void>& done) { ASSERT_TRUE(done) << done.error().text; });
    fixture.runtime->run_until_idle();
    EXPECT_EQ(metric("millrace_shard_event_ids"), 0U);
    checkpoint();
    power_loss();
    EXPECT_EQ(metric("millrace_shard_event_ids"), 0U);
}

/// A batch that is larger without its first record, which is the only one with an id: times are
/// counted from the first record that is there, and all but the second lie far from the second.
std::vector<std::byte> batch_that_grows(std::size_t value_bytes) {
    wire::RecordBatchBuilder builder;
    Random random(1);
    const auto noise = [&random](std::size_t bytes) {
        std::string text(bytes, ' ');
        std::ranges::generate(text, [&random] { return static_cast<char>(random.below(256)); });
        return text;
    };
    const std::vector<wire::HeaderView> id{{.key = wire::event_id_header, .value = "A"}};
    for (int i = 0; i < 200; ++i) {
        const auto value = i == 0 ? std::string("A") : noise(value_bytes);
        const auto time =
            i == 1 ? UnixMicros{1'000'000'000'000'000} : UnixMicros{i * 37 % 64} * 1'000;
        builder.add({.key = std::nullopt,
                     .value = value,
                     .headers = i == 0 ? id : std::vector<wire::HeaderView>(),
                     .event_time_us = time});
    }
    return builder.finish({}).value();
}

TEST_F(EventDuplicates, BatchThatGrowsOverTheLimitWhenItIsCutIsPackedTighter) {
    const auto batch = batch_that_grows(0);
    fixture.crash();
    fixture.options.record_batch_bytes_max = batch.size();
    fixture.open();
    (void)publish({event("A")});
    const auto cut = fixture.publish_now(partition, batch);
    EXPECT_EQ(cut.outcome.code, Errc::ok) << cut.text;
    EXPECT_EQ(repeats_of(cut), (Repeats{{0, 0}}));
    EXPECT_EQ(fixture.values(partition).size(), 200U);
}

TEST(BatchWithout, RestIsPackedAsItWasSentOrTighterOrRefusedAtTheLimit) {
    const std::vector<RepeatedRecord> repeats{{.number = 0, .offset = {}, .append_time_us = 0}};
    const auto batch = batch_that_grows(20);
    constexpr std::size_t no_limit = 1'000'000;
    const auto plain = batch_without(batch, repeats, no_limit).value();
    EXPECT_EQ(wire::codec_of(plain), wire::Codec::none);
    EXPECT_GT(plain.size(), batch.size());
    EXPECT_EQ(batch_without(batch, repeats, plain.size()).value(), plain);
    const auto packed = batch_without(batch, repeats, plain.size() - 1).value();
    EXPECT_EQ(wire::codec_of(packed), wire::Codec::zstd);
    EXPECT_EQ(wire::validate_batch(packed).value().record_count, 199U);
    const auto refused = batch_without(batch, repeats, packed.size() - 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::record_too_large);
    EXPECT_THAT(refused.error().text, HasSubstr("limit record_batch_bytes_max is"));
    EXPECT_THAT(refused.error().text, HasSubstr(std::to_string(packed.size())));
}

TEST(EventDuplicatesOfOneTurn, SequencesNeverReachTheDiskBeforeTheRecordTheyName) {
    // So many repeats that their sequences fill an entry before the turn ends.
    constexpr std::int32_t in_an_entry = 26'214;
    constexpr std::int32_t repeats = in_an_entry + 2;
    for (std::uint64_t write = 0; write < 4; ++write) {
        SCOPED_TRACE("write " + std::to_string(write));
        ShardFixture fixture;
        fixture.crash();
        fixture.options.store.segment_bytes = 8_MiB;
        // The record and the sequences are two; whole blocks, since the disk takes no other.
        fixture.options.store.commit_bytes_max = std::size_t{293} * 4096;
        fixture.open();
        const auto partition = fixture.make_topic("a.b").front();
        auto large = event("WO-1");
        large.value = std::string(900'000, 'v');
        fixture.disk.fail_call(write, EIO, storage::SimDisk::Failure::for_good);
        (void)fixture.publish(partition, batch_of({large}, {}));
        for (std::int32_t sequence = 0; sequence < repeats; ++sequence) {
            (void)fixture.publish(partition,
                                  batch_of({event("WO-1")}, {.producer = 7, .sequence = sequence}));
        }
        fixture.runtime->run_until_idle();
        fixture.crash();
        fixture.disk.heal();
        fixture.open();
        const auto again = fixture.publish_now(
            partition, batch_of({event("WO-1")}, {.producer = 7, .sequence = in_an_entry - 1}));
        EXPECT_EQ(again.outcome.code, Errc::ok);
        EXPECT_LT(again.outcome.base_offset, fixture.shard->bounds(partition)->next);
    }
}

}  // namespace
}  // namespace millrace::broker::testing
