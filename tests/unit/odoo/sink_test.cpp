#include "broker/odoo/sink.hpp"

#include <deque>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/wire/record.hpp"

namespace millrace::broker::odoo {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;

constexpr const char* two_steps = R"(mappings:
  - topics: [a]
    when: .value != "skip"
    steps:
      - model: first
        external_id: '"f_" + .value'
        fields: {name: .value}
      - model: second
        external_id: '"s_" + .value'
        fields: {name: .value}
)";

/// Keeps calls until the test answers them.
class FakeTransport final : public Transport {
  public:
    struct Waiting {
        Call call;
        ReplyDone done;
        [[nodiscard]] std::vector<std::string> names() const {
            std::vector<std::string> names;
            const auto arguments = Json::parse(call.positional);
            for (const auto& row : arguments.at(1)) {
                names.push_back(row.at(1));
            }
            return names;
        }
    };
    void call(const Call& call, ReplyDone done) override {
        waiting.push_back({.call = call, .done = std::move(done)});
    }
    void stop() override { waiting.clear(); }

    /// Answers the oldest call as `load` does: all rows, or a message a refused name.
    void answer(const std::set<std::string>& refused = {},
                const std::string& message = "No match") {
        auto one = std::move(waiting.front());
        waiting.pop_front();
        const auto names = one.names();
        Json ids = Json::array();
        Json messages = Json::array();
        for (std::size_t row = 0; row < names.size(); ++row) {
            ids.push_back(row + 1);
            if (refused.contains(names[row])) {
                messages.push_back({{"type", "error"},
                                    {"rows", {{"from", row}, {"to", row}}},
                                    {"record", row},
                                    {"message", message}});
            }
        }
        const Json result{{"ids", messages.empty() ? ids : Json(false)}, {"messages", messages}};
        one.done(result.dump());
    }
    void fail(const Fault& fault) {
        auto one = std::move(waiting.front());
        waiting.pop_front();
        one.done(fault);
    }

    std::deque<Waiting> waiting;
};

class SinkTest : public testing::Test {
  protected:
    SinkTest() { options.connections_max = 1; }

    void give(const std::vector<std::string>& values, std::uint32_t attempt = 1) {
        std::vector<Event> events;
        for (const auto& value : values) {
            ids[++last_id] = value;
            events.push_back({.ref = {.shard = ShardId{1}, .session = 5, .delivery_id = last_id},
                              .topic = "a",
                              .attempt = attempt,
                              .record = wire::format_plain_record({.value = value})});
        }
        sink().accept(events);
    }
    void take(const delivery::Settlement& done) {
        for (const auto id : done.acks) {
            acked.push_back(ids.at(id));
        }
        for (const auto& nack : done.nacks) {
            nacks[ids.at(nack.delivery_id)] = nack;
        }
    }

    Sink& sink() {
        if (!made) {
            made = std::make_unique<Sink>(
                options,
                parse_mapping("m.yaml", two_steps).value(),
                transport,
                metrics,
                [this](ShardId shard, std::uint64_t session, const delivery::Settlement& done) {
                    EXPECT_EQ(shard, ShardId{1});
                    EXPECT_EQ(session, 5U);
                    take(done);
                });
        }
        return *made;
    }

    SinkOptions options;
    FakeTransport transport;
    MetricsRegistry metrics;
    std::unique_ptr<Sink> made;
    std::map<std::uint64_t, std::string> ids;
    std::uint64_t last_id = 0;
    std::vector<std::string> acked;
    std::map<std::string, delivery::Nack> nacks;
};

TEST_F(SinkTest, StepsFollowEachOtherAndThenTheEventsAreAcked) {
    give({"x", "y"});
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_EQ(transport.waiting[0].call.model, "first");
    EXPECT_EQ(transport.waiting[0].call.method, "load");
    EXPECT_EQ(transport.waiting[0].call.positional,
              R"([["id","name"],[["millrace.f_x","x"],["millrace.f_y","y"]]])");
    EXPECT_EQ(transport.waiting[0].call.keyword, R"({"context":{"tz":"UTC"}})");
    transport.answer();
    EXPECT_TRUE(acked.empty());
    EXPECT_EQ(transport.waiting[0].call.model, "second");
    EXPECT_EQ(sink().held().size(), 2U);
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("x", "y"));
    EXPECT_TRUE(sink().held().empty());
}

TEST_F(SinkTest, WhatComesDuringACallGathersIntoOneBatch) {
    give({"x"});
    give({"y"});
    give({"z"});
    ASSERT_EQ(transport.waiting.size(), 1U);
    transport.answer();
    transport.answer();
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("y", "z"));
}

TEST_F(SinkTest, BatchAndConnectionsHaveLimits) {
    options.batch_records_max = 2;
    options.connections_max = 2;
    give({"a", "b", "c", "d", "e"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("a", "b"));
    EXPECT_THAT(transport.waiting[1].names(), ElementsAre("c", "d"));
}

TEST_F(SinkTest, RefusedRowLeavesAndTheRestGoesAgain) {
    give({"x", "bad", "y"});
    transport.answer({"bad"});
    EXPECT_EQ(nacks.at("bad").cause, Cause::mapping);
    EXPECT_EQ(nacks.at("bad").error, "No match");
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("x", "y"));
    transport.answer();
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("x", "y"));
}

TEST_F(SinkTest, ConflictInARowIsTransient) {
    give({"x"});
    transport.answer({"x"}, "could not serialize access due to concurrent update");
    EXPECT_EQ(nacks.at("x").cause, Cause::transient);
}

TEST_F(SinkTest, CallRefusedAsAWholeIsHalvedUntilTheGuiltyIsAlone) {
    give({"a", "b", "bad", "d"});
    const Fault refusal{.cause = Cause::mapping, .error = "ValidationError"};
    for (int calls = 0; !transport.waiting.empty(); ++calls) {
        ASSERT_LT(calls, 30);
        const auto names = transport.waiting.front().names();
        std::ranges::find(names, "bad") == names.end() ? transport.answer()
                                                       : transport.fail(refusal);
    }
    EXPECT_THAT(acked, testing::UnorderedElementsAre("a", "b", "d"));
    ASSERT_EQ(nacks.size(), 1U);
    EXPECT_EQ(nacks.at("bad").cause, Cause::mapping);
}

TEST_F(SinkTest, OutageConcernsAllAndHalvesNothing) {
    give({"x", "y"});
    transport.fail({.cause = Cause::outage, .error = "connection refused"});
    EXPECT_EQ(nacks.size(), 2U);
    EXPECT_EQ(nacks.at("x").cause, Cause::outage);
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkTest, BusinessRuleIsTriedAFewTimesBeforeItIsAMappingFault) {
    const Fault rule{
        .cause = Cause::mapping, .error = "not enough", .response = "", .may_pass_later = true};
    give({"x"}, 1);
    transport.fail(rule);
    EXPECT_EQ(nacks.at("x").cause, Cause::transient);
    EXPECT_EQ(nacks.at("x").delay, options.business_delay);
    give({"y"}, options.business_attempts_max);
    transport.fail(rule);
    EXPECT_EQ(nacks.at("y").cause, Cause::mapping);
}

TEST_F(SinkTest, EventThatFailedOftenTravelsAlone) {
    give({"busy"});
    give({"x"});
    give({"often"}, options.attempts_in_company_max + 1);
    give({"y"});
    transport.answer();
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("x"));
    transport.answer();
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("often"));
}

TEST_F(SinkTest, EventThatIsNotWantedIsAckedWithoutACall) {
    give({"skip"});
    EXPECT_THAT(acked, ElementsAre("skip"));
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkTest, ReplyAfterTheSinkIsGoneIsHarmless) {
    give({"x"});
    made.reset();
    transport.answer();
    EXPECT_TRUE(acked.empty());
}

}  // namespace
}  // namespace millrace::broker::odoo
