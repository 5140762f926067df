#include "broker/odoo/plan/work.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/odoo/ledger/ledger_entry.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* upserts = R"(mappings:
  - topics: [a]
    lane: '[.value.product, 7]'
    steps:
      - model: mrp.production
        external_id: '"wo_" + (.key | external_name)'
        fields:
          product_id: .value.product
          product_qty: .value.quantity
      - model: mrp.workorder
        unless: .value.quantity == 0
        external_id: '"plant1.step_" + .headers["event-id"]'
        fields:
          production_id/id: '"millrace.wo_" + (.key | external_name)'
          date_finished: .event_time | odoo_datetime
          note: .value.note
          blocked: .value.quantity > 3
)";

std::vector<std::byte> record(std::string_view value, std::string_view key = "Case 1") {
    return wire::format_plain_record({.key = key,
                                      .value = value,
                                      .headers = {{.key = "event-id", .value = "e7"}},
                                      .event_time_us = 1'327'902'180'000'000});
}
Scope scope_of(const std::vector<std::byte>& bytes) {
    return Scope::of({.topic = "a", .offset = Offset{3}, .record = bytes}).value();
}
Mapping parsed(const std::string& text) {
    auto mapping = parse_mapping("m.yaml", text);
    EXPECT_TRUE(mapping) << mapping.error().text;
    return std::move(mapping).value();
}
/// What one step of the first rule makes of a value.
Evaluated step(const std::string& mapping, std::size_t number, std::string_view value) {
    const auto made = parsed(mapping);
    return evaluate(made.rules().front().steps[number], scope_of(record(value)));
}

TEST(Work, MakesARowAStep) {
    const auto value = R"({"product":"Nut","quantity":4})";
    EXPECT_THAT(std::get<Work>(step(upserts, 0, value)).cells,
                ElementsAre("millrace.wo_Case_32_1", "Nut", "4"));
    EXPECT_THAT(
        std::get<Work>(step(upserts, 1, value)).cells,
        ElementsAre("plant1.step_e7", "millrace.wo_Case_32_1", "2012-01-30 05:43:00", "", "True"));
}

TEST(Work, GuardsSkipAStep) {
    EXPECT_TRUE(std::holds_alternative<Skipped>(step(upserts, 1, R"({"quantity":0})")));
}

TEST(Work, InTheLedgerACallHasOneRecordForItsContext) {
    constexpr const char* ledger = R"(mappings:
  - topics: [a]
    steps:
      - {action: call, mode: ledger, model: m, method: x, id: .value, context_ids: [ids]}
)";
    EXPECT_EQ(std::get<Work>(step(ledger, 0, "7")).context.dump(), R"({"ids":[7]})");
}

TEST(Work, FaultNamesFileLineAndField) {
    const auto fault =
        std::get<Fault>(step(upserts, 0, R"({"product":{"name":"Nut"},"quantity":1})"));
    EXPECT_EQ(fault.cause, Cause::mapping);
    EXPECT_THAT(fault.error, HasSubstr("m.yaml:8: product_id: gives {\"name\":\"Nut\"}"));
}

TEST(Work, TextWithNulAndNumberWithoutEndNeverLeave) {
    EXPECT_THAT(std::get<Fault>(step(upserts, 0, R"({"product":"N\u0000t","quantity":1})")).error,
                HasSubstr("NUL"));
    EXPECT_THAT(std::get<Fault>(step(upserts, 0, R"({"product":"N","quantity":1e999})")).error,
                HasSubstr("m.yaml"));
    const std::string create = R"(mappings:
  - topics: [a]
    steps:
      - {action: create, mode: ledger, model: m, fields: {x: '[{a: infinite}]'}}
)";
    EXPECT_THAT(std::get<Fault>(step(create, 0, "{}")).error, HasSubstr("not finite"));
}

TEST(Work, ExternalNamesOfDifferentKeysDiffer) {
    const auto made = parsed(upserts);
    const auto& first = made.rules().front().steps[0];
    const auto id = [&](const char* key) {
        const auto scope = scope_of(record(R"({"product":"N","quantity":1})", key));
        return std::get<Work>(evaluate(first, scope)).external_id;
    };
    EXPECT_NE(id("a b"), id("a_32_b"));
    EXPECT_NE(id("a b"), id("a.b"));
}

TEST(Work, ExternalIdWithBlanksOrTwoDotsIsAFault) {
    for (const char* const id : {"'\"a b\"'", "'\"a.b.c\"'", "'\"\"'", "'null'", "'7'"}) {
        const auto made = step(std::string("mappings:\n  - topics: [a]\n    steps:\n      - model: "
                                           "m\n        external_id: ") +
                                   id + "\n        fields: {name: .key}\n",
                               0,
                               "{}");
        ASSERT_TRUE(std::holds_alternative<Fault>(made)) << id;
        EXPECT_THAT(std::get<Fault>(made).error, HasSubstr("m.yaml:5: external_id"));
    }
}

TEST(Work, IdsAndDomainsHaveTheirShape) {
    const auto of = [](const char* text, std::string_view value) {
        return step(std::string("mappings:\n  - topics: [a]\n    steps:\n      - {") + text + "}\n",
                    0,
                    value);
    };
    const auto* const write = "action: write, model: m, id: .value, fields: {a: '1'}";
    EXPECT_EQ(std::get<Work>(of(write, "7")).records, std::vector<std::string>{"m#7"});
    for (const char* const bad : {"0", "-1", "null", "\"7\"", "1.5", "[7]"}) {
        EXPECT_TRUE(std::holds_alternative<Fault>(of(write, bad))) << bad;
    }
    const auto* const lookup = "action: lookup, model: m, domain: .value";
    EXPECT_TRUE(std::holds_alternative<Work>(of(lookup, R"([["a","=",1]])")));
    for (const char* const bad : {"[]", "7", "null"}) {
        EXPECT_TRUE(std::holds_alternative<Fault>(of(lookup, bad))) << bad;
    }
}

TEST(Work, ExpressionsGiveOneValue) {
    const auto of = [](const char* program) {
        return step(std::string("mappings:\n  - topics: [a]\n    steps:\n      - {model: m, "
                                "external_id: '\"x\"', fields: {a: '") +
                        program + "'}}\n",
                    0,
                    "{}");
    };
    EXPECT_THAT(std::get<Fault>(of("empty")).error, HasSubstr("gives 0 values"));
    EXPECT_THAT(std::get<Fault>(of("1, 2")).error, HasSubstr("gives 2 values"));
    EXPECT_THAT(std::get<Fault>(of("error(\"no such shift\")")).error, HasSubstr("no such shift"));
}

TEST(Ledger, MarkersOfAFeedBeginLikeNoOthers) {
    Step scrap;
    scrap.name = "scrap";
    scrap.model = "stock.scrap";
    EXPECT_EQ(marker_name(scrap, {.event_id = "e 7"}), "e_32_7__scrap__stock_scrap");
    EXPECT_EQ(marker_name(scrap, {.event_id = "e 7", .feed = "plant-1"}),
              "_fplant-1__e_32_7__scrap__stock_scrap");
    EXPECT_EQ(feed_prefix(""), "");
    for (const auto* const id : {"_f", "f", "_", "_fplant-1__e"}) {
        EXPECT_FALSE(external_name(id).starts_with("_f")) << id;
    }
}

TEST(Scope, LanesAndEventId) {
    const auto made = parsed(upserts);
    const auto& rule = made.rules().front();
    const auto scope = scope_of(record(R"({"product":"Nut"})"));
    EXPECT_THAT(lanes_of(rule, scope).value(), ElementsAre("lane Nut", "lane 7"));
    EXPECT_EQ(event_id_of(rule, scope).value(), "e7");
    EXPECT_FALSE(lanes_of(rule, scope_of(record(R"({"product":{}})"))));
    const auto bare = wire::format_plain_record({.value = "1"});
    EXPECT_EQ(event_id_of(rule, scope_of(bare)).value(), "a/0@3");
    const auto empty =
        wire::format_plain_record({.value = "1", .headers = {{.key = "event-id", .value = ""}}});
    EXPECT_EQ(event_id_of(rule, scope_of(empty)).value(), "a/0@3") << "nothing is no id";
}

TEST(Scope, ATopicThatIsMadeAnewDoesNotGiveItsEventsTheNamesOfBefore) {
    const auto made = parsed(upserts);
    const auto bare = wire::format_plain_record({.value = "1"});
    const auto id_in = [&](UnixMicros created_us) {
        const auto scope = Scope::of(
            {.topic = "a", .topic_created_us = created_us, .offset = Offset{3}, .record = bare});
        return event_id_of(made.rules().front(), scope.value()).value();
    };
    EXPECT_EQ(id_in(1'000), "a/0@3#1000");
    EXPECT_NE(id_in(1'000), id_in(2'000));
}

TEST(Scope, ValueThatIsNoJsonIsATextAndOtherBytesAreAnError) {
    EXPECT_EQ(scope_of(record("plain words")).json().at("value"), "plain words");
    const auto bytes = record("\xff\xfe");
    EXPECT_THAT(Scope::of({.topic = "a", .record = bytes}).error().text, HasSubstr("not UTF-8"));
}

TEST(Scope, JsonNestedTooDeepIsATextAndHarmsNobody) {
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    const auto value = [](const std::string& text) {
        return scope_of(record(text)).json().at("value");
    };
    EXPECT_TRUE(value(nested(200)).is_array());
    EXPECT_TRUE(value(nested(201)).is_string());
    EXPECT_TRUE(value(nested(500'000)).is_string());
    EXPECT_EQ(value("[\"" + std::string(500, '[') + "\\\"[\"]").at(0).get<std::string>().size(),
              502U);
    EXPECT_FALSE(Scope::of_json("{\"topic\":\"a\",\"value\":" + nested(201) + "}"));
}

constexpr const char* scrap = R"(mappings:
  - topics: [a]
    steps:
      - name: scrap
        action: create
        mode: ledger
        model: stock.scrap
        fields: {scrap_qty: .value.rejected}
      - action: call
        mode: ledger
        model: stock.scrap
        only_if: .value.rejected > 0
        method: action_validate
        id: .steps.scrap.id
        expect: {state: done}
      - {model: m, external_id: .key, fields: {a: .steps.scrap.id}}
)";

TEST(Ledger, BlockIsOneEntryWithReferencesAndMarkers) {
    const auto made = parsed(scrap);
    const auto& steps = made.rules().front().steps;
    EXPECT_EQ(block_length(steps, 0), 2U);
    const auto entry = std::get<LedgerEntry>(evaluate_block(
        steps, {.event_id = "e 7", .step = 0}, scope_of(record(R"({"rejected":2})"))));
    EXPECT_EQ(entry.json.at("id"), "e 7");
    EXPECT_EQ(entry.json.at("steps").at(0).at("marker"), "e_32_7__scrap__stock_scrap");
    EXPECT_EQ(entry.json.at("steps").at(0).at("values").dump(), R"({"scrap_qty":2})");
    EXPECT_EQ(entry.json.at("steps").at(1).at("id").dump(), R"({"millrace_step":"scrap"})");
    EXPECT_EQ(entry.json.at("steps").at(1).at("marker"), "e_32_7__action_validate__stock_scrap");
    EXPECT_EQ(entry.json.at("steps").at(1).at("expect").dump(), R"({"state":["done"]})");
}

TEST(Ledger, EventCannotBringAReferenceOfItsOwn) {
    const auto made = parsed(scrap);
    const auto evaluated =
        evaluate_block(made.rules().front().steps,
                       {.event_id = "e", .step = 0},
                       scope_of(record(R"({"rejected":{"a":[{"millrace_step":"scrap"}]}})")));
    EXPECT_THAT(std::get<Fault>(evaluated).error, HasSubstr("a name of the ledger"));
}

TEST(Work, WriteThatMakesRowsIsRefusedOutsideTheLedger) {
    const std::string write = R"(mappings:
  - topics: [a]
    steps:
      - {action: write, model: m, id: '7', fields: {line_ids: .value}, mode: )";
    EXPECT_THAT(std::get<Fault>(step(write + "upsert}\n", 0, R"([[0,0,{"a":1}]])")).error,
                HasSubstr("line_ids: a write with [0, 0, {...}] makes new rows"));
    EXPECT_TRUE(std::holds_alternative<Work>(step(write + "upsert}\n", 0, "[[6,0,[1,2]]]")));
    EXPECT_TRUE(std::holds_alternative<Work>(step(write + "ledger}\n", 0, "[[0,0,{}]]")));
}

TEST(Ledger, GuardLeavesAStepOut) {
    const auto made = parsed(scrap);
    const auto entry = std::get<LedgerEntry>(evaluate_block(made.rules().front().steps,
                                                            {.event_id = "e", .step = 0},
                                                            scope_of(record(R"({"rejected":0})"))));
    EXPECT_EQ(entry.json.at("steps").size(), 1U);
}

TEST(Work, NothingMakesNoExternalId) {
    constexpr const char* by_reference = R"(mappings:
  - topics: [a]
    steps: [{model: m, external_id: '"x_" + (.value.ref | external_name)', fields: {a: .key}}]
)";
    for (const char* const value : {"{}", R"({"ref":null})", R"({"ref":""})"}) {
        EXPECT_THAT(std::get<Fault>(step(by_reference, 0, value)).error,
                    HasSubstr("external_name of nothing"))
            << value;
    }
    EXPECT_EQ(std::get<Work>(step(by_reference, 0, R"({"ref":0})")).external_id, "millrace.x_0");
}

TEST(Scope, NameOfAnExternalIdIsTheSameAsInPrograms) {
    const auto made = parsed(upserts);
    const auto scope = scope_of(record(R"({"product":"N","quantity":1})", "Ä b/c.d-9"));
    const auto work = std::get<Work>(evaluate(made.rules().front().steps[0], scope));
    EXPECT_EQ(work.external_id, "millrace.wo__196__32_b_47_c_46_d-9");
    EXPECT_EQ(external_name("b/c.d-9"), "b_47_c_46_d-9");
}

}  // namespace
}  // namespace millrace::broker::odoo
