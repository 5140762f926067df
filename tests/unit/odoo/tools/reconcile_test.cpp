#include "broker/odoo/tools/reconcile.hpp"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* mapping = R"(mappings:
  - topics: [a]
    steps: [{model: m, external_id: .key, fields: {name: .value}}]
)";

/// Odoo with one model, whose records have a name, and external ids "millrace.N" for record N.
class ReconcileTest : public testing::Test {
  protected:
    Reply ask(const Call& call) {
        asked.push_back(call);
        if (fails) {
            if (auto fault = fails(call)) {
                return *fault;
            }
        }
        return answer(call).dump();
    }
    Json answer(const Call& call) const {
        if (call.method == "check_object_reference") {
            return {"m", std::stoi(call.positional.at(1).second.get<std::string>())};
        }
        if (call.method == "fields_get") {
            return {{"name", {{"type", "char"}}}, {"partner_id", {{"type", "many2one"}}}};
        }
        Json rows = Json::array();
        if (call.method == "search") {
            const auto begin = call.named.at("offset").get<int>();
            for (int at = begin; at < std::min(begin + 100, others); ++at) {
                rows.push_back(1'000 + at);
            }
            return rows;
        }
        for (const auto& id : *call.ids) {
            const auto is_other = id.get<int>() == 1'000 + others - 1 && has_double;
            rows.push_back({{"id", id},
                            {"name", "n" + id.dump()},
                            {"partner_id", {9, "Nine"}},
                            {"xmlid", is_other ? Json(false) : Json("millrace.x")}});
        }
        return rows;
    }
    Result<Reconciled> run(const std::vector<int>& ids, bool looks_for_doubles) {
        const auto parsed = parse_mapping("m.yaml", mapping_text);
        EXPECT_TRUE(parsed) << parsed.error().text;
        Reconcile reconcile(parsed.value(),
                            [this](const Call& call) { return ask(call); },
                            {.looks_for_doubles = looks_for_doubles});
        for (const auto id : ids) {
            const Json event{
                {"topic", "a"}, {"key", std::to_string(id)}, {"value", "n" + std::to_string(id)}};
            MILLRACE_TRY(reconcile.add(Scope::of_json(event.dump()).value()));
        }
        return reconcile.finish();
    }

    std::function<std::optional<Fault>(const Call&)> fails;
    std::vector<Call> asked;
    std::string mapping_text = mapping;
    int others = 0;
    bool has_double = false;
};

TEST_F(ReconcileTest, WhatIsArchivedIsThere) {
    const auto done = run({1, 2}, false);
    ASSERT_TRUE(done);
    EXPECT_EQ(done.value().records, 2U);
    EXPECT_THAT(done.value().findings, IsEmpty());
    EXPECT_EQ(asked.front().context.dump(), R"({"active_test":false})");
}

TEST_F(ReconcileTest, DoublesAreLookedForBehindThoseOfOthers) {
    others = 150;
    has_double = true;
    const auto done = run({1}, true);
    ASSERT_TRUE(done);
    ASSERT_THAT(done.value().findings, SizeIs(1));
    EXPECT_EQ(done.value().findings[0].kind, "doubled");
    EXPECT_THAT(done.value().findings[0].detail, HasSubstr("m 1149 has the same values"));
}

TEST_F(ReconcileTest, ManyOfOthersEndTheSearch) {
    others = 200;
    const auto done = run({1}, true);
    ASSERT_TRUE(done);
    EXPECT_THAT(done.value().findings, IsEmpty());
}

TEST_F(ReconcileTest, ARecordThatCannotBeReadIsCountedAndTheOthersAreCompared) {
    fails = [](const Call& call) -> std::optional<Fault> {
        const bool has_two = call.ids && std::ranges::find(*call.ids, Json(2)) != call.ids->end();
        return has_two ? std::optional(classify_error("odoo.exceptions.AccessError", "not yours"))
                       : std::nullopt;
    };
    const auto done = run({1, 2, 3}, false);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done.value().records, 2U);
    ASSERT_THAT(done.value().findings, SizeIs(1));
    EXPECT_EQ(done.value().findings[0].kind, "failed");
    EXPECT_EQ(done.value().findings[0].record, "millrace.2");
    EXPECT_THAT(done.value().findings[0].detail, HasSubstr("not yours"));
}

TEST_F(ReconcileTest, AnEventWhoseRecordCannotBeLookedForIsCounted) {
    fails = [](const Call& call) -> std::optional<Fault> {
        const bool is_two =
            call.method == "check_object_reference" && call.positional.at(1).second == "2";
        return is_two ? std::optional(classify_error("builtins.TypeError", "no way"))
                      : std::nullopt;
    };
    const auto done = run({1, 2, 3}, false);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done.value().records, 2U);
    ASSERT_THAT(done.value().findings, SizeIs(1));
    EXPECT_EQ(done.value().findings[0].kind, "failed");
}

TEST_F(ReconcileTest, ARelationThatCannotBeLookedForIsNotDifferent) {
    mapping_text = R"(mappings:
  - topics: [a]
    steps:
      - {model: m, external_id: .key, fields: {name: '"changed"', partner_id/id: '"base.9"'}}
)";
    const auto kinds = [this] {
        const auto done = run({1}, false);
        EXPECT_TRUE(done) << done.error().text;
        std::vector<std::string> found;
        for (const auto& one : done.value().findings) {
            found.push_back(one.kind + ": " + one.detail.substr(0, one.detail.find(' ')));
        }
        return found;
    };
    EXPECT_THAT(kinds(), ElementsAre("different: name")) << "base.9 is record 9";
    fails = [](const Call& call) -> std::optional<Fault> {
        const bool is_relation =
            call.method == "check_object_reference" && call.positional.at(1).second == "9";
        return is_relation ? std::optional(classify_error("odoo.exceptions.AccessError", "no"))
                           : std::nullopt;
    };
    EXPECT_THAT(kinds(), ElementsAre("different: name", testing::StartsWith("failed: ")));
}

TEST_F(ReconcileTest, AnOutageEndsTheRun) {
    fails = [](const Call& call) -> std::optional<Fault> {
        return call.method == "read" ? std::optional(Fault{.cause = Cause::outage, .error = "gone"})
                                     : std::nullopt;
    };
    const auto done = run({1, 2}, false);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace millrace::broker::odoo
