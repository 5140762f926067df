#include <gmock/gmock.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

#include "broker/catalog/catalog_service.hpp"

// What retention and the deletion of topics take from under a subscription.

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::Inbox;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineLoss : public testing::EngineWorld {
  protected:
    void delete_topic(const std::string& name) {
        fixture_.shard->catalog().delete_topic(
            name, [](const auto& done) { ASSERT_TRUE(done) << done.error().text; });
        run();
    }
    [[nodiscard]] std::vector<std::string> progress_rows() {
        EXPECT_TRUE(fixture_.shard->store().checkpoint());
        std::vector<std::string> rows;
        EXPECT_TRUE(fixture_.shard->store().visit_state("q/", "", [&](std::string_view key, auto) {
            rows.emplace_back(key);
            return true;
        }));
        return rows;
    }
    /// The head of key K is in flight when retention settles it, with "next" parked behind.
    Inbox::Got overtake_head(const std::shared_ptr<Inbox>& inbox, PartitionId partition) {
        const auto filler = fixture_.make_topic("filler").front();
        auto got = inbox->take();
        EXPECT_THAT(got, SizeIs(2));
        publish(partition, {{.key = "", .value = "never read"}});
        fixture_.finish_segment(filler);
        fixture_.retire(partition);
        EXPECT_EQ(fixture_.shard->store().bounds(partition).first, Offset{3});
        publish(partition, {{.key = "K", .value = "next"}});
        ack(1, {got.at(1)});
        pass(200ms);
        EXPECT_THAT(inbox->take(), IsEmpty());
        return got.at(0);
    }
};

TEST_F(EngineLoss, ANackOfWhatRetentionHasTakenLetsItsKeyGoOn) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "K", .value = "head"}, {.key = "L", .value = "other"}});
    const auto inbox = open(1, 2);
    const auto head = overtake_head(inbox, partition);
    nack(1, head, Cause::transient);
    EXPECT_THAT(inbox->take_values(), ElementsAre("next"));
}

TEST_F(EngineLoss, ATimeoutOfWhatRetentionHasTakenLetsItsKeyGoOn) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "K", .value = "head"}, {.key = "L", .value = "other"}});
    const auto inbox = open(1, 2);
    overtake_head(inbox, partition);
    pass(61s);
    EXPECT_THAT(inbox->take_values(), ElementsAre("next"));
}

TEST_F(EngineLoss, WhatAFilterPassedOverStaysSettledOnceALaterRecordHasFailed) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.filter = ".value > 1";
    create(info);
    publish(partition, {{.key = "K", .value = "1"}, {.key = "K", .value = "2"}});
    const auto before = open(1)->take();
    ASSERT_THAT(before, SizeIs(1));
    nack(1, before[0], Cause::transient);
    delivery_.reset();
    fixture_.crash();
    fixture_.open();
    alter({.filter = ""});
    const auto inbox = open(1);
    pass(1s);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, "2");
    EXPECT_EQ(got[0].attempt, 2U);
}

/// What is parked is read again when its turn comes.
class EngineWithoutRoom : public testing::EngineWorld {
  protected:
    EngineWithoutRoom() : EngineWorld(0) {}
};

TEST_F(EngineWithoutRoom, ReadingGoesOnBehindARetry) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "K", .value = "head"}});
    const auto inbox = open(1, 1);
    const auto head = inbox->take();
    ASSERT_THAT(head, SizeIs(1));
    publish(partition, {{.key = "L", .value = "other"}});
    EXPECT_THAT(inbox->take(), IsEmpty()) << "there is no credit";
    Settlement settlement;
    settlement.nacks.push_back(
        {.delivery_id = head[0].id, .cause = Cause::transient, .delay = 30s});
    delivery_->subscriptions().settle(1, std::move(settlement), [](const auto&) {});
    run();
    EXPECT_THAT(inbox->take_values(), ElementsAre("other"));
}

TEST_F(EngineLoss, ADeletedTopicIsLetGoAndOthersFlowOn) {
    const auto gone = fixture_.make_topic("a.gone").front();
    const auto stays = fixture_.make_topic("a.stays").front();
    SubscriptionInfo info;
    info.waiting_records_max = 1;
    info.parked_records_max = 1;
    info.backoff_min_ms = info.backoff_max_ms = 60'000;
    create(info);
    publish(gone, {{.key = "K", .value = "head"}, {.key = "K", .value = "parked"}});
    const auto inbox = open(1);
    nack(1, inbox->take().at(0), Cause::transient);
    EXPECT_EQ(progress().waiting_retry, 1U);
    EXPECT_EQ(progress().parked_records, 1U);

    delete_topic("a.gone");
    EXPECT_EQ(progress().waiting_retry, 0U);
    EXPECT_EQ(progress().parked_records, 0U);
    publish(stays, {{.key = "K", .value = "flows"}});
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, "flows");
    ack(1, got);
    pass(120s);
    EXPECT_EQ(progress().waiting_retry, 0U);
    const auto rows = progress_rows();
    EXPECT_THAT(rows, ElementsAre("q/1/" + std::to_string(stays.value)));
}

TEST_F(EngineLoss, WhatIsInFlightOfADeletedTopicIsStaleAndItsCreditComesBack) {
    const auto gone = fixture_.make_topic("a.gone").front();
    const auto stays = fixture_.make_topic("a.stays").front();
    create({});
    publish(gone, {{.key = "K", .value = "head"}});
    const auto inbox = open(1, 1);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    delete_topic("a.gone");
    publish(stays, {{.key = "K", .value = "flows"}});
    EXPECT_THAT(inbox->take_values(), ElementsAre("flows"));
    std::vector<std::uint64_t> stale;
    delivery_->subscriptions().settle(
        1, {.acks = {got[0].id}}, [&](const auto& done) { stale = done.value(); });
    run();
    EXPECT_THAT(stale, ElementsAre(got[0].id));
}

TEST_F(EngineLoss, LettersOfADeletedTopicStayAndGoOutAgain) {
    const auto gone = fixture_.make_topic("a.gone").front();
    create({});
    publish(gone, {{.key = "K", .value = "bad"}, {.key = "K", .value = "parked"}});
    auto inbox = open(1);
    nack(1, inbox->take().at(0), Cause::mapping);
    delete_topic("a.gone");
    restart();
    inbox = open(2);
    ASSERT_THAT(letters(), SizeIs(1));
    delivery_->letters().change({.query = {.subscription = "sink"}, .ids = {letters()[0].id}},
                                {.kind = LetterEdit::Kind::redrive},
                                [](const auto& changed) { EXPECT_TRUE(changed); });
    run();
    const auto again = inbox->take();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].value, "bad");
    ack(2, again);
    EXPECT_EQ(letters()[0].state, LetterState::resolved);
    EXPECT_THAT(progress_rows(), IsEmpty());
}

}  // namespace
}  // namespace millrace::broker::delivery
