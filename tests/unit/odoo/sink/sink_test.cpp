#include "tests/unit/odoo/sink/sink_fixture.hpp"

#include "broker/odoo/transport/json_rpc.hpp"

namespace millrace::broker::odoo {
namespace {

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

class SinkTest : public SinkFixture {
  protected:
    SinkTest() { mapping = two_steps; }
};

TEST_F(SinkTest, StepsFollowEachOtherAndThenTheEventsAreAcked) {
    give({"x", "y"});
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_EQ(transport.waiting[0].call.model, "first");
    EXPECT_EQ(transport.waiting[0].call.method, "load");
    EXPECT_EQ(rpc_arguments(next()).first.dump(),
              R"([["id","name"],[["millrace.f_x","x"],["millrace.f_y","y"]]])");
    EXPECT_EQ(rpc_arguments(next()).second.dump(), R"({"context":{"tz":"UTC"}})");
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
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("y", "z"));
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("x", "y", "z"));
}

TEST_F(SinkTest, BatchAndConnectionsHaveLimits) {
    options.stations.batch_records_max = 2;
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
    give({"often"}, options.stations.attempts_in_company_max + 1);
    give({"y"});
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("x"));
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("often"));
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("y"));
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
