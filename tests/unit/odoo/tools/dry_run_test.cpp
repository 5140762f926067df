#include "broker/odoo/tools/dry_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* mapping = R"(mappings:
  - topics: [a]
    when: .value.wanted
    steps:
      - {name: order, action: lookup, model: m, external_id: .key, read: [state]}
      - {action: call, model: m, method: finish, id: .steps.order.id, expect: {state: done}}
)";

class DryRunTest : public testing::Test {
  protected:
    Tried run(const DryRun::Ask& ask, const char* event) {
        const auto parsed = parse_mapping("m.yaml", mapping);
        EXPECT_TRUE(parsed) << parsed.error().text;
        return DryRun(parsed.value(), ask).run(Scope::of_json(event).value());
    }
    static std::vector<std::string> methods_of(const Tried& tried) {
        std::vector<std::string> methods;
        for (const auto& one : tried.calls) {
            methods.push_back(one.call.method);
        }
        return methods;
    }
};

constexpr const char* wanted = R"({"topic":"a","key":"WO-1","value":{"wanted":true}})";

TEST_F(DryRunTest, AssumesIdsWithoutOdoo) {
    const auto tried = run({}, wanted);
    EXPECT_EQ(tried.outcome, "applied");
    EXPECT_THAT(methods_of(tried), ElementsAre("check_object_reference", "read", "finish"));
    EXPECT_THAT(tried.calls[0].note, HasSubstr("assumed"));
}

TEST_F(DryRunTest, AsksForReadsAndNeverForWhatChanges) {
    std::vector<std::string> asked;
    const auto tried = run(
        [&](const Call& call) -> Reply {
            asked.push_back(call.method);
            if (call.method == "fields_get") {
                return R"({"state":{}})";
            }
            return call.method == "read" ? R"([{"id":9,"state":"draft"}])" : R"(["m",9])";
        },
        wanted);
    EXPECT_EQ(tried.calls.back().call.ids->dump(), "[9]");
    EXPECT_THAT(asked, ElementsAre("fields_get", "check_object_reference", "read"));
}

TEST_F(DryRunTest, NothingFoundIsTheFaultThatTheSinkWouldHave) {
    const auto tried = run(
        [](const Call& call) -> Reply {
            if (call.method == "fields_get") {
                return R"({"state":{}})";
            }
            return classify_error("builtins.ValueError", "External ID not found in the system: x");
        },
        wanted);
    EXPECT_EQ(tried.outcome, "mapping");
    EXPECT_THAT(tried.error, HasSubstr("no m is found by millrace.WO-1"));
}

TEST_F(DryRunTest, UnknownModelIsTheFaultThatOdooHas) {
    const auto tried = run(
        [](const Call&) -> Reply {
            return classify_error("odoo.exceptions.UserError", "Object m doesn't exist");
        },
        wanted);
    EXPECT_EQ(tried.outcome, "mapping");
    EXPECT_THAT(tried.error, HasSubstr("m.yaml:5: odoo.exceptions.UserError: Object m doesn't"));
}

TEST_F(DryRunTest, UnknownFieldOfAStepIsNamed) {
    const auto tried = run([](const Call&) -> Reply { return R"({"name":{}})"; }, wanted);
    EXPECT_EQ(tried.outcome, "mapping");
    EXPECT_THAT(tried.error, HasSubstr("m.yaml:5: m has no field \"state\""));
}

TEST_F(DryRunTest, OutageEndsIt) {
    const auto tried =
        run([](const Call&) -> Reply { return Fault{.cause = Cause::outage, .error = "no way"}; },
            wanted);
    EXPECT_EQ(tried.outcome, "outage");
}

TEST_F(DryRunTest, GuardAndUnknownTopic) {
    EXPECT_EQ(run({}, R"({"topic":"a","value":{}})").outcome, "not_wanted");
    EXPECT_EQ(run({}, R"({"topic":"b","value":{}})").outcome, "mapping");
}

TEST_F(DryRunTest, WhatAGuardLeavesOutOfABlockHasNoId) {
    const auto parsed = parse_mapping("m.yaml", R"(mappings:
  - topics: [a]
    steps:
      - {name: scrap, action: create, mode: ledger, model: stock.scrap, fields: {origin: .key},
         only_if: .value.scraps}
      - {name: note, action: create, mode: ledger, model: note.note, fields: {memo: .key}}
      - {model: m, external_id: .key,
         fields: {scrap: (.steps.scrap.id | tostring), note: (.steps.note.id | type)}}
)");
    ASSERT_TRUE(parsed) << parsed.error().text;
    const auto tried = DryRun(parsed.value(), {})
                           .run(Scope::of_json(R"({"topic":"a","key":"k","value":{}})").value());
    EXPECT_EQ(tried.error, "");
    EXPECT_EQ(tried.calls.back().call.positional.at(1).second.dump(),
              R"([["millrace.k","null","number"]])");
}

}  // namespace
}  // namespace millrace::broker::odoo
