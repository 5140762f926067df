#include "broker/shard/command_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A queue over a log that is done with an entry when told.
class CommandQueueTest : public ::testing::Test {
  protected:
    void add(char name, std::size_t bytes) {
        queue.add(std::vector<std::byte>(bytes, static_cast<std::byte>(name)),
                  [this, name](const Result<void>& done) {
                      answers.push_back(std::string(1, name) + (done ? "" : " refused"));
                      error = done ? error : done.error().text;
                  });
    }
    void end_first() {
        const auto done = std::move(under_way.front());
        under_way.erase(under_way.begin());
        done(RaftIndex{1});
    }

    std::vector<std::string> proposed;  ///< the names in each entry
    std::vector<consensus::ProposeDone> under_way;
    std::vector<std::string> answers;
    std::string error;
    MetricsRegistry metrics;
    CommandQueue queue{ShardId{0},
                       {.command_bytes_max = 1'000'000, .ahead_bytes_max = 500'000},
                       [this](const consensus::EntryBuffer& entry, consensus::ProposeDone done) {
                           std::string names;
                           CommandQueue::visit(entry.payload(), [&](const auto& command) {
                               names += static_cast<char>(command.front());
                           });
                           proposed.push_back(names);
                           under_way.push_back(std::move(done));
                       },
                       metrics};
};

TEST_F(CommandQueueTest, CommandsOfATurnShareAnEntry) {
    add('a', 10);
    add('b', 20);
    EXPECT_THAT(proposed, ElementsAre());
    queue.flush();
    EXPECT_THAT(proposed, ElementsAre("ab"));
    EXPECT_THAT(answers, ElementsAre());
    end_first();
    EXPECT_THAT(answers, ElementsAre("a", "b"));
}

TEST_F(CommandQueueTest, MoreThanMayBeAheadWaitsAndKeepsItsOrder) {
    add('a', 500'000);
    add('b', 500'000);
    add('c', 10);
    queue.flush();
    EXPECT_THAT(proposed, ElementsAre("a"));
    EXPECT_EQ(metrics.samples().at(0).value, 500'018);
    queue.flush();
    EXPECT_THAT(proposed, ElementsAre("a"));
    end_first();
    queue.flush();
    EXPECT_THAT(proposed, ElementsAre("a", "bc"));
    EXPECT_TRUE(queue.is_empty());
    end_first();
    EXPECT_THAT(answers, ElementsAre("a", "b", "c"));
}

TEST_F(CommandQueueTest, LimitOfACommandNamesItself) {
    add('a', 1'000'000);
    add('b', 1'000'001);
    EXPECT_THAT(answers, ElementsAre("b refused"));
    EXPECT_THAT(error, HasSubstr("limit command_bytes_max is 1000000"));
    queue.flush();
    end_first();
    EXPECT_THAT(answers, ElementsAre("b refused", "a"));
}

}  // namespace
}  // namespace millrace::broker
