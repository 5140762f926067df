#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/commands.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A letter of the time before a seek that is opened, as the log has it, right behind the seek.
class EngineSeek : public testing::EngineWorld {
  protected:
    EngineSeek() {
        create({});
        publish(partition, {{.key = "K", .value = "old"}});
        pass(1s);
    }
    void seek(UnixMicros time_us) {
        fixture_.shard->catalog().seek_subscription(
            "sink", StartAt::time, time_us, [](const auto& done) { ASSERT_TRUE(done); });
        run();
    }
    void open_stale_letter() {
        LetterOpenCommand command{.key = {.subscription = 1, .partition = partition}, .letter = {}};
        auto& letter = command.letter;
        letter.subscription = "sink";
        letter.partition = partition;
        letter.key = "K";
        letter.cause = Cause::mapping;
        letter.record = wire::format_plain_record({.key = "K", .value = "old"});
        fixture_.shard->propose(format_command(command),
                                [](const Result<void>& done) { ASSERT_TRUE(done); });
        run();
    }
    void discard() {
        delivery_->letters().change(
            {.query = {.subscription = "sink"}, .ids = {letters().at(0).id}, .by = "me"},
            {.kind = LetterEdit::Kind::discard},
            [](const Result<std::uint64_t>& changed) { ASSERT_EQ(changed.value(), 1U); });
        run();
    }

    PartitionId partition = fixture_.make_topic("a.b").front();
};

TEST_F(EngineSeek, LetterOfASkippedRecordHoldsItsKeyUntilItAndTheRecordOnItsWayAreOver) {
    seek(fixture_.clock.unix_now());
    publish(partition, {{.key = "K", .value = "1"}, {.key = "K", .value = "2"}});
    const auto inbox = open(1);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    open_stale_letter();
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].state, LetterState::open);
    discard();
    EXPECT_THAT(inbox->take(), IsEmpty()) << "the record before it is on its way";
    ack(1, got);
    EXPECT_THAT(inbox->take_values(), ElementsAre("2"));
}

TEST_F(EngineSeek, LetterOfASkippedRecordParksWhatFollows) {
    seek(fixture_.clock.unix_now());
    publish(partition, {{.key = "K", .value = "1"}, {.key = "K", .value = "2"}});
    const auto inbox = open(1);
    const auto got = inbox->take();
    open_stale_letter();
    ack(1, got);
    EXPECT_THAT(inbox->take(), IsEmpty());
    discard();
    EXPECT_THAT(inbox->take_values(), ElementsAre("2"));
}

TEST_F(EngineSeek, LetterOfARecordThatASeekDeliversAnewIsDiscarded) {
    const auto inbox = open(1);
    EXPECT_THAT(inbox->take_values(), ElementsAre("old"));
    seek(0);
    EXPECT_THAT(inbox->take_values(), ElementsAre("old"));
    open_stale_letter();
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].state, LetterState::discarded);
    EXPECT_EQ(letters()[0].actions.back().action, "superseded");
}

TEST_F(EngineSeek, ARedrivenLetterOfAReplayStaysWithItsConsumer) {
    const auto replayed = fixture_.make_topic("millrace.replay.sink").front();
    const auto inbox = open(1);
    ack(1, inbox->take());
    publish(replayed, {{.key = "K", .value = "again"}});
    const auto first = inbox->take();
    ASSERT_THAT(first, SizeIs(1));
    nack(1, first[0], Cause::mapping);
    delivery_->letters().change(
        {.query = {.subscription = "sink"}, .ids = {letters().at(0).id}, .by = "me"},
        {},
        [](const Result<std::uint64_t>& changed) { ASSERT_EQ(changed.value(), 1U); });
    run();
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    seek(fixture_.clock.unix_now());
    EXPECT_THAT(inbox->take(), IsEmpty()) << "a seek leaves what is replayed alone";
    ack(1, got);
    EXPECT_EQ(letters()[0].state, LetterState::resolved);
}

}  // namespace
}  // namespace millrace::broker::delivery
