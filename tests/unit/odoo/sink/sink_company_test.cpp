#include "tests/unit/odoo/sink/sink_fixture.hpp"

#include "broker/odoo/plan/calls.hpp"

// What events of one time do to each other: shared records, shared answers, calls at a time.

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class SinkCompany : public SinkFixture {
  protected:
    std::size_t limit() {
        return static_cast<std::size_t>(
            metrics.gauge("millrace_odoo_connections_limit", "").value());
    }
};

TEST_F(SinkCompany, ARecordFoundByItsExternalIdIsOneRecordForLoadAndWrite) {
    options.connections_max = 4;
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: found, action: lookup, model: m, external_id: '"one"'}
      - {action: write, model: m, id: .steps.found.id, fields: {name: .value}}
  - topics: [b]
    steps: [{model: m, external_id: '"one"', fields: {name: .value}}]
)";
    give({"x"});
    EXPECT_EQ(next().context.dump(), R"({"active_test":false})") << "what is archived is there";
    transport.reply({"m", 7});
    EXPECT_EQ(next().method, "write");
    give({"y"}, 1, "b");
    EXPECT_THAT(transport.waiting, SizeIs(1)) << "the record is being written";
    transport.reply(true);
    EXPECT_EQ(next().method, "load");
    give({"z"});
    EXPECT_THAT(transport.waiting, SizeIs(1)) << "the record is being loaded";
    transport.answer();
    EXPECT_EQ(next().method, "write");
}

TEST_F(SinkCompany, AnUpsertThatWaitedBeforeItsIdWasKnownKeepsAWriteWaiting) {
    options.connections_max = 4;
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: found, action: lookup, model: m, domain: '[["name", "=", "one"]]'}
      - {action: write, model: m, id: .steps.found.id, fields: {name: .value}}
  - topics: [b]
    steps:
      - {model: m, external_id: '"one"', fields: {name: .value}}
      - {model: m, external_id: '"one"', fields: {other: .value}}
)";
    give({"y"}, 1, "b");
    transport.answer();  // its id is 1
    EXPECT_EQ(next().method, "load");
    give({"x"});
    auto lookup = std::move(transport.waiting.back());
    transport.waiting.pop_back();
    lookup.done(R"([{"id":1}])");
    EXPECT_THAT(transport.waiting, SizeIs(1)) << "the same record is being loaded";
}

TEST_F(SinkCompany, LookupsOfOneLineKeepTheirOwnAnswers) {
    const std::string lookup = R"(action: lookup, model: m, domain: '[["a", "=", 1]]')";
    mapping = "mappings:\n  - topics: [a]\n    steps: [{name: one, " + lookup +
              ", read: [first]}, {name: two, " + lookup +
              ", read: [second]}, {model: n, external_id: .value, fields: {name: "
              "(.steps.one.first + .steps.two.second)}}]\n";
    give({"x"});
    transport.reply(Json::array({{{"id", 1}, {"first", "f"}}}));
    ASSERT_THAT(transport.waiting, SizeIs(1));
    EXPECT_EQ(next().positional.at(1).second.dump(), R"(["id","second"])");
    transport.reply(Json::array({{{"id", 1}, {"second", "s"}}}));
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("fs"));
}

TEST_F(SinkCompany, LookupsThatAreBelievedForLongDoNotAnswerThoseThatAskEachTime) {
    mapping = R"(mappings:
  - topics: [a]
    steps: [{name: one, action: lookup, model: m, domain: '[["a", "=", 1]]'}]
  - topics: [b]
    steps: [{name: one, action: lookup, model: m, domain: '[["a", "=", 1]]', cache_s: 0}]
)";
    give({"x"});
    transport.reply(Json::array({{{"id", 1}}}));
    give({"y"});
    EXPECT_THAT(acked, ElementsAre("x", "y")) << "believed";
    give({"z"}, 1, "b");
    EXPECT_THAT(transport.waiting, SizeIs(1)) << "asked again";
}

TEST_F(SinkCompany, BlocksOfTheLedgerKeepTheirBatchSizes) {
    options.ledger_action_id = 7;
    mapping = R"(mappings:
  - topics: [a]
    steps: [{action: create, mode: ledger, model: m, fields: {name: .value}}]
  - topics: [b]
    steps: [{action: create, mode: ledger, model: n, batch: 1, fields: {name: .value}}]
)";
    give({"x", "y"});
    EXPECT_EQ(next().context.at("millrace_events").size(), 2U);
    transport.reply({{"millrace",
                      {{{"status", "ok"}, {"ids", Json::object()}},
                       {{"status", "ok"}, {"ids", Json::object()}}}}});
    give({"v", "w"}, 1, "b");
    EXPECT_EQ(next().context.at("millrace_events").size(), 1U);
}

TEST_F(SinkCompany, AnAnswerWithSeveralConflictsShrinksOnce) {
    options.connections_max = 4;
    mapping =
        "mappings: [{topics: [a], steps: [{model: m, external_id: .value, fields: {name: "
        ".value}}]}]";
    clock.advance(std::chrono::seconds(1));
    give({"x", "y", "z"});
    clock.advance(std::chrono::milliseconds(10));
    transport.answer({"x", "y", "z"}, "could not serialize access due to concurrent update");
    EXPECT_EQ(limit(), 2U);
}

TEST_F(SinkCompany, NoAnswerInTimeShrinksToo) {
    options.connections_max = 4;
    mapping =
        "mappings: [{topics: [a], steps: [{model: m, external_id: .value, fields: {name: "
        ".value}}]}]";
    clock.advance(std::chrono::seconds(1));
    give({"x"});
    transport.fail({.cause = Cause::outcome_unknown, .error = "no answer in time"});
    EXPECT_EQ(nacks.at("x").cause, Cause::outcome_unknown);
    EXPECT_EQ(limit(), 2U);
}

TEST_F(SinkCompany, ALostAnswerToACallThatOnlyReadsIsAnOutage) {
    mapping = R"(mappings:
  - topics: [a]
    steps: [{name: one, action: lookup, model: m, external_id: .value}]
)";
    give({"x"});
    transport.fail({.cause = Cause::outcome_unknown, .error = "the connection ended"});
    EXPECT_EQ(nacks.at("x").cause, Cause::outage) << "no attempt is counted";
}

TEST_F(SinkCompany, AReadWhoseAnswerIsTooLargeIsTheEventsOwnFault) {
    mapping = R"(mappings:
  - topics: [a]
    steps: [{name: one, action: lookup, model: m, external_id: .value}]
)";
    give({"large"});
    transport.fail(
        {.cause = Cause::outcome_unknown, .cause_of_read = Cause::mapping, .error = "too large"});
    EXPECT_EQ(nacks.at("large").cause, Cause::mapping);
}

TEST_F(SinkCompany, ARelationIsAsExpectedByItsIdOrItsName) {
    const Json found = Json::array({7, "Done"});
    EXPECT_TRUE(is_one_of(Json::array({7}), found));
    EXPECT_TRUE(is_one_of(Json::array({"Draft", "Done"}), found));
    EXPECT_FALSE(is_one_of(Json::array({8, "Don"}), found));
    EXPECT_TRUE(is_one_of(Json::array({false}), false));
    EXPECT_FALSE(is_one_of(Json::array({7}), Json::array({7, 8}))) << "a list is no relation";
}

}  // namespace
}  // namespace millrace::broker::odoo
