#include "tests/unit/odoo/sink/sink_fixture.hpp"

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class SinkSteps : public SinkFixture {
  protected:
    void steps(const std::string& text, const std::string& rule = "") {
        mapping = "mappings:\n  - topics: [a]\n" + rule + "    steps:\n" + text;
    }
};

constexpr const char* lookup_and_write = R"(
      - {name: center, action: lookup, model: mrp.workcenter, domain: '[["name", "=", .value]]'}
      - {action: write, model: mrp.workcenter, id: .steps.center.id, fields: {code: '"seen"'}}
)";

TEST_F(SinkSteps, LookupIsMadeOnceForAllAndGivesLaterStepsTheId) {
    steps(lookup_and_write);
    give({"Press", "Press"});
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_EQ(next().method, "search_read");
    EXPECT_EQ(next().positional.at(0).second.dump(), R"([["name","=","Press"]])");
    transport.reply({{{"id", 9}}});
    EXPECT_EQ(next().method, "write");
    EXPECT_EQ(next().ids->dump(), "[9]");
    transport.reply(true);
    EXPECT_EQ(next().method, "write") << "one record is not written twice in a call";
    transport.reply(true);
    EXPECT_THAT(acked, ElementsAre("Press", "Press"));
    give({"Press"});
    EXPECT_EQ(next().method, "write") << "found in the cache";
}

constexpr const char* one_by_one_and_load = R"(
      - {name: known, action: lookup, model: m, external_id: .value}
      - {model: n, external_id: .value, fields: {name: .value}}
)";

TEST_F(SinkSteps, WhatComesOneByOneThroughALookupSharesTheCallBehindIt) {
    steps(one_by_one_and_load);
    give({"a", "b", "c"});
    for (int id = 1; id <= 3; ++id) {
        ASSERT_EQ(next().method, "check_object_reference") << id;
        transport.reply({"m", id});
    }
    ASSERT_EQ(next().method, "load");
    EXPECT_THAT(transport.waiting.front().names(), ElementsAre("a", "b", "c"));
}

TEST_F(SinkSteps, AFullBatchGoesBeforeWhatIsBehindIt) {
    options.stations.batch_records_max = 2;
    steps(one_by_one_and_load);
    give({"a", "b", "c"});
    transport.reply({"m", 1});
    transport.reply({"m", 2});
    ASSERT_EQ(next().method, "load");
    EXPECT_THAT(transport.waiting.front().names(), ElementsAre("a", "b"));
}

TEST_F(SinkSteps, WhatIsHeldByItsRecordSendsNobodyBehindItAlone) {
    options.connections_max = 2;
    steps(one_by_one_and_load);
    give({"a"});
    transport.reply({"m", 1});
    ASSERT_EQ(next().method, "load");  // of a; it takes its time
    give({"a"});
    clock.advance(2s);
    give({"b", "c"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    std::rotate(transport.waiting.begin(), transport.waiting.begin() + 1, transport.waiting.end());
    ASSERT_EQ(next().method, "check_object_reference");
    transport.reply({"m", 2});  // b goes on, and shares its call with c
    EXPECT_EQ(transport.waiting.back().call.method, "check_object_reference");
}

TEST_F(SinkSteps, APartOfABatchLetsOthersPassForASecond) {
    steps(one_by_one_and_load);
    give({"a", "b", "c", "d"});
    transport.reply({"m", 1});
    clock.advance(999ms);
    transport.reply({"m", 2});
    ASSERT_EQ(next().method, "check_object_reference");
    clock.advance(1ms);
    transport.reply({"m", 3});
    ASSERT_EQ(next().method, "load");
    EXPECT_THAT(transport.waiting.front().names(), ElementsAre("a", "b", "c"));
}

TEST_F(SinkSteps, LookupThatFindsNothingIsAFaultAndAskedAgain) {
    steps(lookup_and_write);
    give({"Press"});
    transport.reply(Json::array());
    EXPECT_EQ(nacks.at("Press").cause, Cause::mapping);
    EXPECT_THAT(nacks.at("Press").error, HasSubstr("m.yaml:5: no mrp.workcenter is found by"));
    give({"Press"});
    EXPECT_EQ(next().method, "search_read") << "somebody may have added it";
}

constexpr const char* made_where_missing = R"(
      - {name: known, action: lookup, model: m, external_id: '.value[0:1]', missing: "null"}
      - {model: m, only_if: .steps.known == null, external_id: '.value[0:1]',
         fields: {name: .value}}
)";

TEST_F(SinkSteps, WhatMayBeMissingIsRememberedShortly) {
    steps(made_where_missing);
    const auto nothing = classify_error("builtins.ValueError", "External ID not found: millrace.x");
    give({"x1"});
    transport.fail(nothing);
    transport.fail({.cause = Cause::transient, .error = "later"});
    give({"x2"});
    EXPECT_EQ(next().method, "load") << "no second question within the time";
    transport.fail({.cause = Cause::transient, .error = "later"});
    clock.advance(5s);
    give({"x3"});
    EXPECT_EQ(next().method, "check_object_reference");
}

TEST_F(SinkSteps, WhatWasMissingIsAskedForAgainOnceARecordHasCome) {
    steps(made_where_missing);
    give({"x1"});
    transport.fail(classify_error("builtins.ValueError", "External ID not found: millrace.x"));
    transport.answer();
    give({"x2"});
    EXPECT_EQ(next().method, "check_object_reference");
    transport.reply({"m", 1});
    EXPECT_THAT(acked, ElementsAre("x1", "x2"));
}

TEST_F(SinkSteps, WriteThatIsAnsweredWithNullIsASuccess) {
    steps("      - {action: write, model: m, id: .value | tonumber, fields: {code: '\"a\"'}}\n");
    give({"7"});
    transport.reply(nullptr);
    EXPECT_THAT(acked, ElementsAre("7"));
}

TEST_F(SinkSteps, WriteThatIsAnsweredWithFalseIsNoSuccess) {
    steps("      - {action: write, model: m, id: .value | tonumber, fields: {code: '\"a\"'}}\n");
    give({"7"});
    transport.reply(false);
    EXPECT_TRUE(acked.empty());
    EXPECT_THAT(nacks.at("7").error, HasSubstr("m write answered in a shape that is not known"));
}

TEST_F(SinkSteps, LookupThatFindsTwoIsAFault) {
    steps(lookup_and_write);
    give({"Press"});
    transport.reply({{{"id", 9}}, {{"id", 10}}});
    EXPECT_THAT(nacks.at("Press").error, HasSubstr("more than one"));
}

TEST_F(SinkSteps, LookupByExternalIdReadsFieldsToo) {
    steps(R"(
      - {name: order, action: lookup, model: mrp.production, external_id: .value, read: [state]}
      - {model: m, unless: .steps.order.state == "done", external_id: .value,
         fields: {name: .value}}
)");
    give({"x"});
    EXPECT_EQ(next().method, "check_object_reference");
    EXPECT_EQ(next().positional.at(0).second, "millrace");
    transport.reply({"mrp.production", 4});
    EXPECT_EQ(next().method, "read");
    transport.reply({{{"id", 4}, {"state", "done"}}});
    EXPECT_THAT(acked, ElementsAre("x")) << "the guard keeps a late event from what is finished";
}

TEST_F(SinkSteps, UnknownExternalIdIsNothingFound) {
    steps(R"(
      - {name: order, action: lookup, model: m, external_id: .value, missing: "null"}
      - {model: m, only_if: .steps.order == null, external_id: .value, fields: {name: .value}}
)");
    give({"x"});
    transport.fail(
        classify_error("builtins.ValueError", "External ID not found in the system: millrace.x"));
    EXPECT_EQ(next().method, "load");
}

constexpr const char* finish = R"(
      - {name: order, model: mrp.production, external_id: .value, fields: {name: .value}}
      - {action: call, model: mrp.production, method: button_mark_done, id: .steps.order.id,
         expect: {state: done}}
)";

TEST_F(SinkSteps, CallIsJudgedByTheStateAndNotByTheAnswer) {
    steps(finish);
    give({"x", "y"});
    transport.answer();
    EXPECT_EQ(next().method, "read") << "a repeat would need no call";
    transport.reply({{{"id", 1}, {"state", "done"}}, {{"id", 2}, {"state", "confirmed"}}});
    EXPECT_THAT(acked, ElementsAre("x"));
    EXPECT_EQ(next().method, "button_mark_done");
    EXPECT_EQ(next().ids->dump(), "[2]");
    transport.reply({{"type", "ir.actions.act_window"}});
    EXPECT_EQ(next().method, "read");
    transport.reply({{{"id", 2}, {"state", "confirmed"}}});
    EXPECT_EQ(nacks.at("y").cause, Cause::transient) << "a business rule may pass later";
    EXPECT_THAT(nacks.at("y").error, HasSubstr("button_mark_done has not done what is expected"));
}

Json states_of(const Json& ids, const std::set<Json>& done) {
    Json records = Json::array();
    for (const auto& id : ids) {
        records.push_back({{"id", id}, {"state", done.contains(id) ? "done" : "draft"}});
    }
    return records;
}

TEST_F(SinkSteps, WizardForOneRecordOfACallLeavesTheOthersToCallsOfTheirOwn) {
    options.business_attempts_max = 1;
    steps(R"(
      - {action: call, model: mrp.production, method: button_mark_done, id: .value | tonumber,
         expect: {state: done}}
)");
    give({"1", "2", "3"});
    std::set<Json> done;
    for (int calls = 0; !transport.waiting.empty(); ++calls) {
        ASSERT_LT(calls, 40);
        const auto asked = *next().ids;
        if (next().method == "read") {
            transport.reply(states_of(asked, done));
        } else if (std::ranges::find(asked, Json(2)) != asked.end()) {
            transport.reply({{"type", "ir.actions.act_window"}});  // nothing is done for any
        } else {
            done.insert(asked.begin(), asked.end());
            transport.reply(true);
        }
    }
    EXPECT_THAT(acked, testing::UnorderedElementsAre("1", "3"));
    ASSERT_EQ(nacks.size(), 1U);
    EXPECT_EQ(nacks.at("2").cause, Cause::mapping);
}

TEST_F(SinkSteps, IdsOfTheCallInItsContextLeaveItToAllOfThem) {
    steps(R"(
      - {action: call, model: mrp.production, method: button_mark_done, id: .value | tonumber,
         context: {skip_backorder: "true"}, context_ids: [mo_ids_to_backorder],
         expect: {state: done}}
)");
    give({"1", "2"});
    transport.reply({{{"id", 1}, {"state", "draft"}}, {{"id", 2}, {"state", "draft"}}});
    EXPECT_EQ(next().ids->dump(), "[1,2]");
    EXPECT_EQ(next().context.dump(), R"({"mo_ids_to_backorder":[1,2],"skip_backorder":true})");
}

TEST_F(SinkSteps, CallOnARecordThatIsGoneIsAFault) {
    steps(finish);
    give({"x"});
    transport.answer();
    transport.reply(Json::array());
    EXPECT_THAT(nacks.at("x").error, HasSubstr("does not exist or is hidden"));
}

TEST_F(SinkSteps, CallWithoutProofAfterALostAnswerIsReadBackFirst) {
    steps(finish);
    give({"x"});
    transport.answer();
    transport.reply({{{"id", 1}, {"state", "confirmed"}}});
    transport.fail({.cause = Cause::outcome_unknown, .error = "lost"});
    EXPECT_EQ(nacks.at("x").cause, Cause::outcome_unknown);
    give({"x"}, 2);
    transport.answer();
    transport.reply({{{"id", 2}, {"state", "done"}}});
    EXPECT_THAT(acked, ElementsAre("x"));
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkSteps, EventsOfOneLaneAreNeverInTwoCallsAtATime) {
    options.connections_max = 4;
    options.stations.batch_records_max = 1;
    steps("      - {model: m, external_id: .value, fields: {name: .value}}\n",
          "    lane: .value[0:1]\n");
    give({"a1", "a2", "b1", "a3", "b2"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("a1"));
    EXPECT_THAT(transport.waiting[1].names(), ElementsAre("b1"));
    transport.answer();
    ASSERT_EQ(transport.waiting.size(), 2U);
    EXPECT_THAT(transport.waiting[1].names(), ElementsAre("a2"));
    while (!transport.waiting.empty()) {
        transport.answer();
    }
    EXPECT_EQ(acked.size(), 5U);
}

TEST_F(SinkSteps, WhatGoesAgainIsNotOvertakenInItsLanes) {
    options.connections_max = 2;
    steps("      - {model: m, external_id: .value, fields: {name: .value}}\n",
          "    lane: .value[0:1]\n");
    give({"a1", "b1", "a2", "c2"});
    transport.fail({.cause = Cause::mapping, .error = "ValidationError"});
    ASSERT_EQ(transport.waiting.size(), 1U) << "the second half waits for lane a";
    give({"c3", "d1"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    EXPECT_THAT(transport.waiting[1].names(), ElementsAre("d1"));
    transport.answer();
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("a2", "c2"));
}

TEST_F(SinkSteps, LookupsOfOneLaneGoSideBySide) {
    options.connections_max = 4;
    steps(R"(
      - {name: it, action: lookup, model: m, domain: '[["name", "=", .value]]'}
      - {model: m, external_id: .value, fields: {name: .value}}
)",
          "    lane: '\"same\"'\n");
    give({"a", "b"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    transport.reply({{{"id", 1}}});
    transport.reply({{{"id", 2}}});
    ASSERT_EQ(transport.waiting.size(), 1U) << "what writes waits for its turn";
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("a"));
}

TEST_F(SinkSteps, OneRecordIsNeverInTwoCallsAtATimeWithoutALaneToo) {
    options.connections_max = 4;
    steps("      - {model: m, external_id: '\"same\"', fields: {name: .value}}\n");
    give({"a", "b"});
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("a"));
    transport.answer();
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("b"));
}

TEST_F(SinkSteps, StepsOfTwoRulesThatAskTheSameShareCalls) {
    mapping = R"(mappings:
  - topics: [b]
    steps: [{model: m, external_id: '"b" + .value', fields: {name: .value}}]
  - topics: [a]
    steps: [{model: m, external_id: '"a" + .value', fields: {name: .value}}]
)";
    give({"busy"});
    std::vector<FeedEvent> others;
    for (const char* const topic : {"a", "b"}) {
        ids[++last_id] = topic;
        others.push_back({.ref = {.shard = ShardId{1}, .session = 5, .delivery_id = last_id},
                          .topic = topic,
                          .record = wire::format_plain_record({.value = topic})});
    }
    sink().accept(others);
    transport.answer();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("a", "b"));
}

TEST_F(SinkSteps, LingerWaitsForMoreUntilTheBatchIsFullOrTheTimeIsOver) {
    options.stations.batch_records_max = 3;
    steps("      - {model: m, external_id: .value, fields: {name: .value}, linger_ms: 50}\n");
    give({"a"});
    EXPECT_TRUE(transport.waiting.empty());
    EXPECT_EQ(wake_at, clock.steady_now() + 50ms);
    clock.advance(50ms);
    sink().wake();
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("a"));
    transport.answer();
    give({"b", "c", "d", "e"});
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("b", "c", "d"));
}

TEST_F(SinkSteps, CallsWithOtherArgumentsAreOtherCalls) {
    options.connections_max = 4;
    steps(R"(
      - {action: call, model: m, method: set, id: .value | tonumber, repeat_safe: true,
         arguments: {odd: (.value | tonumber) % 2}, context: {lang: '"en_US"'}}
)");
    give({"1", "2", "3"});
    ASSERT_EQ(transport.waiting.size(), 2U);
    EXPECT_EQ(next().ids->dump(), "[1,3]");
    EXPECT_EQ(next().named.dump(), R"({"odd":1})");
    EXPECT_EQ(next().context.dump(), R"({"lang":"en_US"})");
    EXPECT_EQ(transport.waiting[1].call.ids->dump(), "[2]");
}

TEST_F(SinkSteps, BusinessCallsHaveABatchSizeOfTheirOwn) {
    options.stations.business_batch_records_max = 2;
    steps(R"(
      - {action: call, model: m, method: set, id: .value | tonumber, repeat_safe: true}
)");
    give({"1", "2", "3"});
    EXPECT_EQ(next().ids->dump(), "[1,2]");
}

TEST_F(SinkSteps, ConflictShrinksTheConnections) {
    options.connections_max = 4;
    options.stations.batch_records_max = 1;
    steps("      - {model: m, external_id: .value, fields: {name: .value}}\n");
    give({"a", "b", "c", "d", "e", "f"});
    EXPECT_EQ(transport.waiting.size(), 4U);
    transport.fail({.cause = Cause::transient, .error = "SerializationFailure"});
    EXPECT_EQ(transport.waiting.size(), 3U) << "though two events wait";
}

}  // namespace
}  // namespace millrace::broker::odoo
