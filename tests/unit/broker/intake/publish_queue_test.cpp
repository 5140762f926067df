#include "broker/shard/intake/publish_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t batch_bytes = 64;

class PublishQueueTest : public ::testing::Test {
  protected:
    PublishQueueTest() { queue.count_leader_acks({.given = &given, .unconfirmed = &unconfirmed}); }

    /// A call of one batch with this name, which waits as the topic asks.
    PublishQueue::Waiter waiter(const std::string& name, Durability durability) {
        auto call = std::make_shared<PublishCall>();
        call->outcomes.resize(1);
        call->done = [this, name](const std::vector<PublishOutcome>& outcomes, const std::string&) {
            answers.push_back(name + (outcomes.front().code == Errc::ok ? "" : " refused"));
        };
        PublishQueue::Waiter made{.call = std::move(call), .index = 0};
        TopicInfo topic;
        topic.durability = durability;
        made.wait_as(topic);
        return made;
    }
    void add(const std::string& name, Durability durability) {
        queue.add({.header = {.record_count = 1, .batch_bytes = batch_bytes},
                   .bytes = bytes,
                   .sent_record_count = 1},
                  waiter(name, durability));
    }

    Counter given;
    Counter unconfirmed;
    std::vector<std::string> answers;
    std::vector<std::byte> bytes = std::vector<std::byte>(batch_bytes);
    std::vector<PublishQueue::Events> entries;
    PublishQueue queue{[this](std::uint32_t, consensus::EntryBuffer, PublishQueue::Events events) {
                           entries.push_back(std::move(events));
                       },
                       1};
};

TEST_F(PublishQueueTest, EachWaiterOfAnEntryIsAnsweredWhenItHasWhatItsTopicAsksFor) {
    add("leader 1", Durability::leader);
    add("majority", Durability::majority);
    add("leader 2", Durability::leader);
    queue.flush();
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_THAT(answers, IsEmpty());
    entries.front().stored();
    EXPECT_THAT(answers, ElementsAre("leader 1", "leader 2"));
    EXPECT_EQ(given.value(), 2U);
    entries.front().done(RaftIndex{1});
    EXPECT_THAT(answers, ElementsAre("leader 1", "leader 2", "majority"));
    EXPECT_EQ(unconfirmed.value(), 0U);
}

TEST_F(PublishQueueTest, CommitThatIsFasterThanTheDiskAnswersAllOfThem) {
    add("leader", Durability::leader);
    add("majority", Durability::majority);
    queue.flush();
    entries.front().done(RaftIndex{1});
    EXPECT_THAT(answers, ElementsAre("leader", "majority"));
    entries.front().stored();
    EXPECT_THAT(answers, ElementsAre("leader", "majority"));
    EXPECT_EQ(given.value(), 0U);
}

TEST_F(PublishQueueTest, EntryThatIsLostAfterItsAckIsCountedAndRefusesTheOthersAlone) {
    add("leader", Durability::leader);
    add("majority", Durability::majority);
    queue.flush();
    entries.front().stored();
    entries.front().done(fail(Errc::not_leader, "another leads"));
    EXPECT_THAT(answers, ElementsAre("leader", "majority refused"));
    EXPECT_EQ(unconfirmed.value(), 1U);
}

TEST_F(PublishQueueTest, EntryThatIsLostBeforeItIsStoredRefusesAll) {
    add("leader", Durability::leader);
    queue.flush();
    entries.front().done(fail(Errc::shard_failed, "the disk failed"));
    EXPECT_THAT(answers, ElementsAre("leader refused"));
    EXPECT_EQ(unconfirmed.value(), 0U);
}

TEST_F(PublishQueueTest, RepeatJoinsAnEntryUnderWayAsItsTopicAsks) {
    add("first", Durability::leader);
    const auto number = queue.current_proposal();
    queue.flush();
    EXPECT_TRUE(queue.join(number, waiter("early", Durability::leader)));
    entries.front().stored();
    EXPECT_THAT(answers, ElementsAre("first", "early"));
    auto late = waiter("late", Durability::leader);
    ++late.call->outstanding;  // as BatchAcceptor::accept holds it
    EXPECT_TRUE(queue.join(number, late));
    late.call->end_one();
    EXPECT_THAT(answers, ElementsAre("first", "early", "late"));
    EXPECT_EQ(given.value(), 3U);
    EXPECT_TRUE(queue.join(number, waiter("careful", Durability::majority)));
    EXPECT_THAT(answers, ElementsAre("first", "early", "late"));
    EXPECT_TRUE(queue.is_under_way(number));
    entries.front().done(RaftIndex{1});
    EXPECT_THAT(answers, ElementsAre("first", "early", "late", "careful"));
    EXPECT_FALSE(queue.join(number, waiter("nobody", Durability::leader)));
}

TEST_F(PublishQueueTest, CallOfSeveralBatchesIsAnsweredWhenEachHasWhatItsTopicAsksFor) {
    auto call = std::make_shared<PublishCall>();
    call->outcomes.resize(2);
    std::vector<Durability> told;
    call->done = [&](const std::vector<PublishOutcome>& outcomes, const std::string&) {
        told = {outcomes[0].durability, outcomes[1].durability};
    };
    for (const std::size_t index : {0U, 1U}) {
        PublishQueue::Waiter part{.call = call, .index = index};
        TopicInfo topic;
        topic.durability = index == 0 ? Durability::leader : Durability::majority;
        part.wait_as(topic);
        queue.add({.header = {.record_count = 1, .batch_bytes = batch_bytes}, .bytes = bytes},
                  part);
        queue.flush();
    }
    entries[0].stored();
    entries[1].stored();
    EXPECT_THAT(told, IsEmpty());
    entries[1].done(RaftIndex{2});
    EXPECT_THAT(told, ElementsAre(Durability::leader, Durability::majority));
}

TEST_F(PublishQueueTest, DurabilityThatANewerBrokerMayHaveStoredMeansAMajority) {
    add("unknown", static_cast<Durability>(7));
    queue.flush();
    entries.front().stored();
    EXPECT_THAT(answers, IsEmpty());
    entries.front().done(RaftIndex{1});
    EXPECT_THAT(answers, ElementsAre("unknown"));
}

}  // namespace
}  // namespace millrace::broker::testing
