#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/odoo/tools/reconcile.hpp"

// Steps that a guard leaves out today, counts of stock, and what nobody can say.

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* order = R"(mappings:
  - topics: [a]
    steps:
      - {name: known, action: lookup, model: m, external_id: '"o" + .key', read: [state],
         missing: "null", cache_s: 0, cache_missing_s: 0}
      - {name: order, model: m, unless: .steps.known.state == "done", external_id: '"o" + .key',
         fields: {name: .key, quantity: .value.quantity}}
      - {action: call, model: m, only_if: .steps.order and .value.status == "finished",
         method: finish, id: .steps.order.id, expect: {state: done}}
)";

/// Odoo with a few records of each model; external ids are of the module millrace.
class ReconcileGuards : public testing::Test {
  protected:
    static bool fits(const Json& record, const Json& domain) {
        return std::ranges::all_of(domain, [&](const Json& part) {
            const auto value = record.value(part.at(0).get<std::string>(), Json(false));
            return (part.at(1) == "=") == (value == part.at(2));
        });
    }
    Json ids_of(const std::string& model, const Json& domain) {
        Json ids = Json::array();
        for (const auto& [id, record] : records[model]) {
            if (fits(record, domain)) {
                ids.push_back(id);
            }
        }
        return ids;
    }
    Reply ask(const Call& call) {
        if (call.method == "check_object_reference") {
            const auto found = names.find(call.positional.at(1).second.get<std::string>());
            return found == names.end()
                       ? Reply(classify_error("builtins.ValueError", "External ID not found"))
                       : Reply(Json::array({"m", found->second}).dump());
        }
        if (call.method == "fields_get") {
            return R"({"name":{"type":"char"},"quantity":{"type":"float"},)"
                   R"("state":{"type":"selection"},"product_id":{"type":"many2one"},)"
                   R"("location_id":{"type":"many2one"},"lot_id":{"type":"many2one"}})";
        }
        if (call.method == "search") {
            return ids_of(call.model, call.positional.at(0).second).dump();
        }
        Json rows = Json::array();
        for (const auto& id : *call.ids) {
            const auto found = records[call.model].find(id.get<int>());
            if (found != records[call.model].end()) {
                rows.push_back(found->second);
            }
        }
        return rows.dump();
    }
    Reconciled run(const std::vector<Json>& values) {
        const auto parsed = parse_mapping("m.yaml", mapping);
        EXPECT_TRUE(parsed) << parsed.error().text;
        Reconcile reconcile(parsed.value(), [this](const Call& call) { return ask(call); }, {});
        for (const auto& value : values) {
            const Json event{{"topic", "a"}, {"key", "1"}, {"value", value}};
            EXPECT_TRUE(reconcile.add(Scope::of_json(event.dump()).value()));
        }
        auto done = reconcile.finish();
        EXPECT_TRUE(done) << done.error().text;
        return done.value();
    }
    void add(const std::string& model, int id, Json values) {
        values["id"] = id;
        records[model][id] = std::move(values);
    }
    void add_order(const char* state, double quantity) {
        add("m", 7, {{"name", "1"}, {"quantity", quantity}, {"state", state}});
        names["o1"] = 7;
    }
    static std::vector<std::string> kinds(const Reconciled& done) {
        std::vector<std::string> found;
        for (const auto& one : done.findings) {
            found.push_back(one.kind);
        }
        return found;
    }

    std::string mapping = order;
    std::map<std::string, std::map<int, Json>> records;
    std::map<std::string, int> names;
    const Json released{{"status", "released"}, {"quantity", 10}};
    const Json finished{{"status", "finished"}, {"quantity", 10}};
};

TEST_F(ReconcileGuards, AFinishedOrderIsFoundThoughItsGuardLeavesItsStepsOut) {
    add_order("done", 8);
    const auto done = run({released, finished});
    EXPECT_THAT(done.findings, IsEmpty()) << "what the guard keeps is not compared";
    EXPECT_THAT(done.unverified, IsEmpty());
    EXPECT_EQ(done.records, 1U);
    EXPECT_EQ(done.guarded, 4U);
}

TEST_F(ReconcileGuards, ADoubleOfAFinishedOrderIsFound) {
    add_order("done", 8);
    add("m", 8, {{"name", "1"}, {"quantity", 8}, {"state", "draft"}, {"xmlid", false}});
    EXPECT_THAT(kinds(run({released, finished})), ElementsAre("doubled"));
}

TEST_F(ReconcileGuards, AnOrderThatIsOpenAgainIsNotWhatIsExpected) {
    add_order("confirmed", 10);
    EXPECT_THAT(run({released}).findings, IsEmpty());
    const auto done = run({released, finished});
    ASSERT_THAT(kinds(done), ElementsAre("different"));
    EXPECT_THAT(done.findings[0].detail,
                HasSubstr(R"(state is "confirmed", ["done"] is expected)"));
}

TEST_F(ReconcileGuards, AnOrderThatWasDeletedIsMissing) {
    EXPECT_THAT(kinds(run({released})), ElementsAre("missing"));
}

TEST_F(ReconcileGuards, TheStateThatAGuardedCallLeadsToIsCompared) {
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: known, action: lookup, model: m, external_id: '"o" + .key', read: [quantity]}
      - {action: call, model: m, unless: .steps.known.quantity > 0, method: finish,
         id: .steps.known.id, expect: {state: done}}
)";
    add_order("done", 8);
    EXPECT_THAT(run({finished}).findings, IsEmpty());
    add_order("cancel", 8);
    EXPECT_THAT(kinds(run({finished})), ElementsAre("different"));
}

TEST_F(ReconcileGuards, WhatIsNotForTheEventIsNotLookedFor) {
    mapping = R"(mappings:
  - topics: [a]
    steps: [{model: m, only_if: .value.quantity > 50, external_id: .key, fields: {name: .key}}]
)";
    const auto done = run({finished});
    EXPECT_THAT(done.findings, IsEmpty());
    EXPECT_THAT(done.unverified, IsEmpty());
    EXPECT_EQ(done.guarded, 1U);
}

TEST_F(ReconcileGuards, AGuardedStepThatHasLeftNothingIsNotVerified) {
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: known, action: lookup, model: m, external_id: '"o" + .key', read: [state]}
      - {model: m, unless: .steps.known.state == "done", external_id: '"late" + .key',
         fields: {name: .key}}
)";
    add_order("done", 8);
    const auto done = run({finished});
    EXPECT_THAT(done.findings, IsEmpty()) << "the event may have come when all was done";
    ASSERT_THAT(done.unverified, SizeIs(1));
    EXPECT_THAT(done.unverified[0].why, HasSubstr("it has left no record"));
    add_order("draft", 8);
    EXPECT_THAT(kinds(run({finished})), ElementsAre("missing"));
}

constexpr const char* count = R"(mappings:
  - topics: [a]
    steps:
      - {action: create, model: stock.quant, context: {inventory_mode: "true"},
         fields: {product_id: .value.product, location_id: "5",
                  inventory_quantity_auto_apply: .value.counted}}
)";

TEST_F(ReconcileGuards, ACountIsFoundByItsProductAndPlaceOnceAndWhateverItsQuantity) {
    mapping = count;
    const Json counted{{"product", 4}, {"counted", 40}};
    EXPECT_THAT(kinds(run({counted})), ElementsAre("missing"));
    add("stock.quant", 1, {{"product_id", 4}, {"location_id", 5}, {"lot_id", 9}});
    EXPECT_THAT(kinds(run({counted})), ElementsAre("missing")) << "that is another lot's";
    add("stock.quant", 2, {{"product_id", 4}, {"location_id", 5}, {"quantity", 35}});
    const auto once = run({counted, counted});
    EXPECT_THAT(once.findings, IsEmpty());
    EXPECT_EQ(once.records, 1U);
    add("stock.quant", 3, {{"product_id", 4}, {"location_id", 5}});
    const auto twice = run({counted, counted});
    ASSERT_THAT(kinds(twice), ElementsAre("doubled"));
    EXPECT_THAT(twice.findings[0].detail, HasSubstr("stock.quant 3 counts the same place"));
}

TEST_F(ReconcileGuards, WhatNothingTellsFromOthersIsNotVerifiedAndSaysSo) {
    mapping = R"(mappings:
  - topics: [a]
    steps: [{action: create, repeat_safe: true, model: note, fields: {name: .key}}]
)";
    const auto done = run({released, finished});
    EXPECT_THAT(done.findings, IsEmpty());
    ASSERT_THAT(done.unverified, SizeIs(1));
    EXPECT_EQ(done.unverified[0].place, "m.yaml:3");
    EXPECT_EQ(done.unverified[0].model, "note");
    EXPECT_EQ(done.unverified[0].steps, 2U);
    EXPECT_THAT(done.unverified[0].why, HasSubstr("nothing tells a record"));
}

}  // namespace
}  // namespace millrace::broker::odoo
