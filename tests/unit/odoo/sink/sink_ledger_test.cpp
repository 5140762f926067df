#include "tests/unit/odoo/sink/sink_fixture.hpp"

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* scrap = R"(mappings:
  - topics: [a]
    steps:
      - {name: scrap, action: create, mode: ledger, model: stock.scrap, fields: {origin: .value}}
      - {action: call, mode: ledger, model: stock.scrap, method: action_validate,
         id: .steps.scrap.id, expect: {state: done}}
      - {model: m, external_id: .value, fields: {name: .value, scrap_id: .steps.scrap.id}}
)";

class SinkLedger : public SinkFixture {
  protected:
    SinkLedger() { mapping = scrap; }
    void find_action() { transport.reply({"ir.actions.server", 77}); }
    static Json done(const char* status, int id) {
        return {{"status", status}, {"ids", {{"scrap", id}}}};
    }
};

TEST_F(SinkLedger, EventsGoToTheActionTogetherAndLaterStepsKnowTheIds) {
    give({"x", "y"});
    EXPECT_EQ(next().method, "check_object_reference");
    find_action();
    EXPECT_EQ(next().model, "ir.actions.server");
    EXPECT_EQ(next().method, "run");
    EXPECT_EQ(next().ids->dump(), "[77]");
    const auto& events = next().context.at("millrace_events");
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].at("steps").size(), 2U);
    transport.reply({{"millrace", {done("ok", 5), done("duplicate", 6)}}});
    EXPECT_EQ(next().positional.at(1).second.dump(),
              R"([["millrace.x","x","5"],["millrace.y","y","6"]])");
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("x", "y"));
    give({"z"});
    EXPECT_EQ(next().method, "run") << "the action is known";
}

TEST_F(SinkLedger, EachEventHasItsOwnError) {
    give({"x", "y", "z"});
    find_action();
    transport.reply(
        {{"millrace",
          {{{"status", "error"}, {"class", "UserError"}, {"message", "no stock"}},
           done("ok", 5),
           {{"status", "error"}, {"class", "UniqueViolation"}, {"message", "ir_model_data"}}}}});
    EXPECT_EQ(nacks.at("x").cause, Cause::transient) << "a business rule, for a few tries";
    EXPECT_EQ(nacks.at("z").cause, Cause::transient) << "the loser of a race sends again";
    EXPECT_THAT(transport.waiting.at(0).names(), ElementsAre("y"));
}

TEST_F(SinkLedger, MissingActionIsAMatterOfConfiguration) {
    give({"x", "y"});
    transport.fail(classify_error("builtins.ValueError",
                                  "External ID not found in the system: millrace_ledger.action"));
    EXPECT_EQ(nacks.at("x").cause, Cause::configuration);
    EXPECT_EQ(nacks.at("y").cause, Cause::configuration);
    EXPECT_THAT(nacks.at("x").error, HasSubstr("millrace odoo install"));
}

Fault action_is_gone() {
    return classify_error(
        "odoo.exceptions.MissingError",
        "Record does not exist or has been deleted.\n(Record: ir.actions.server(77,), User: 2)");
}

TEST_F(SinkLedger, ActionThatWasInstalledAnewIsLookedUpAgain) {
    give({"x", "y"});
    find_action();
    transport.fail(action_is_gone());
    EXPECT_EQ(next().method, "check_object_reference");
    transport.reply({"ir.actions.server", 78});
    EXPECT_EQ(next().ids->dump(), "[78]");
    transport.reply({{"millrace", {done("ok", 5), done("ok", 6)}}});
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("x", "y"));
}

TEST_F(SinkLedger, ActionThatIsGoneAlsoWhenLookedUpAgainIsAMatterOfConfiguration) {
    give({"x", "y"});
    find_action();
    transport.fail(action_is_gone());
    find_action();
    transport.fail(action_is_gone());
    EXPECT_EQ(nacks.at("x").cause, Cause::configuration);
    EXPECT_EQ(nacks.at("y").cause, Cause::configuration);
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkLedger, ActionOfTheSettingsThatIsGoneIsAMatterOfConfiguration) {
    options.ledger_action_id = 77;
    give({"x", "y"});
    transport.fail(action_is_gone());
    EXPECT_EQ(nacks.at("x").cause, Cause::configuration);
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkLedger, MethodThatTheActionDoesNotKnowIsAMatterOfConfiguration) {
    give({"x"});
    find_action();
    transport.reply({{"millrace",
                      {{{"status", "error"},
                        {"class", "MillraceUnknownMethod"},
                        {"message", "stock.scrap.action_validate"}}}}});
    EXPECT_EQ(nacks.at("x").cause, Cause::configuration);
}

TEST_F(SinkLedger, AnswerOfAnotherShapeSettlesNothingAsDone) {
    for (const Json& answer : {Json(),
                               Json(true),
                               Json{{"millrace", Json::array()}},
                               Json{{"millrace", {{{"status", "fine"}}}}}}) {
        give({"x"});
        if (next().method == "check_object_reference") {
            find_action();
        }
        transport.reply(answer);
        EXPECT_EQ(nacks.at("x").cause, Cause::configuration) << answer.dump();
        nacks.clear();
    }
    EXPECT_TRUE(acked.empty());
}

TEST_F(SinkLedger, LostAnswerIsUnknownAndTheSameMarkersGoAgain) {
    give({"x"});
    find_action();
    const auto first = next().context.at("millrace_events");
    transport.fail({.cause = Cause::outcome_unknown, .error = "lost"});
    EXPECT_EQ(nacks.at("x").cause, Cause::outcome_unknown);
    --last_id;
    give({"x"}, 2);
    EXPECT_EQ(next().context.at("millrace_events"), first);
}

TEST_F(SinkLedger, MarkersAreForgottenUntilNoneIsLeft) {
    options.ledger_action_id = 77;
    sink().forget_markers(1'700'000'000'000'000);
    EXPECT_EQ(next().context.dump(),
              R"({"millrace_forget_before":"2023-11-14 22:13:20","millrace_forget_prefix":""})");
    transport.reply({{"forgotten", 1000}});
    EXPECT_EQ(next().method, "run");
    transport.reply({{"forgotten", 0}});
    EXPECT_TRUE(transport.waiting.empty());
    for (const Json& answer : {Json("many"), Json(true), Json(1.5), Json(nullptr)}) {
        sink().forget_markers(1'700'000'000'000'000);
        transport.reply({{"forgotten", answer}});
        EXPECT_TRUE(transport.waiting.empty()) << answer.dump();
    }
}

constexpr UnixMicros long_ago = 1'700'000'000'000'000;

TEST_F(SinkLedger, MarkersAreForgottenAlsoBeforeAnEventHasAskedForTheAction) {
    sink().forget_markers(long_ago);
    EXPECT_EQ(next().method, "check_object_reference");
    find_action();
    EXPECT_EQ(next().ids->dump(), "[77]");
    EXPECT_EQ(next().context.at("millrace_forget_before"), "2023-11-14 22:13:20");
    transport.reply({{"forgotten", 0}});
    give({"x"});
    EXPECT_EQ(next().method, "run") << "the action is known";
}

TEST_F(SinkLedger, MarkersStayWhereTheActionIsNotToBeFound) {
    sink().forget_markers(long_ago);
    transport.fail(classify_error("builtins.ValueError", "External ID not found in the system"));
    EXPECT_TRUE(transport.waiting.empty());
    sink().forget_markers(long_ago);
    transport.reply({"ir.actions.server", false});
    EXPECT_TRUE(transport.waiting.empty());
    sink().forget_markers(long_ago);
    made.reset();
    find_action();
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkLedger, ActionThatWasInstalledAnewIsFoundTheNextTimeMarkersAreForgotten) {
    sink().forget_markers(long_ago);
    find_action();
    transport.fail(action_is_gone());
    EXPECT_TRUE(transport.waiting.empty());
    sink().forget_markers(long_ago);
    EXPECT_EQ(next().method, "check_object_reference");
}

TEST_F(SinkLedger, WithoutAStepInTheLedgerNoMarkersAreAskedFor) {
    mapping =
        "mappings: [{topics: [a], steps: [{model: m, external_id: .value, "
        "fields: {name: .value}}]}]\n";
    sink().forget_markers(long_ago);
    EXPECT_TRUE(transport.waiting.empty());
}

}  // namespace
}  // namespace millrace::broker::odoo
