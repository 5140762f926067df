#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/odoo/mapping/mapping.hpp"

namespace millrace::broker::odoo {
namespace {

using testing::HasSubstr;

struct BadFile {
    const char* text;
    const char* message;
};
class BadMappingFile : public testing::TestWithParam<BadFile> {};

TEST_P(BadMappingFile, IsRefusedWithPlaceAndHint) {
    const auto parsed = parse_mapping("m.yaml", GetParam().text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::configuration);
    EXPECT_THAT(parsed.error().text, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    BadMappingFile,
    testing::Values(
        BadFile{"", "starts with \"mappings:\""},
        BadFile{"maps: []", "m.yaml:1: unknown key \"maps\"; known here: feed, mappings"},
        BadFile{"feed: a.b\nmappings: []", "m.yaml:1: \"feed\" takes a name of letters"},
        BadFile{"feed: ''\nmappings: []", "m.yaml:1: \"feed\" takes a name of letters"},
        BadFile{"feed: [a]\nmappings: []", "m.yaml:1: \"feed\" takes a name of letters"},
        BadFile{"mappings: 3", "takes a list"},
        BadFile{"mappings:\n  - topics: []", "m.yaml:2: \"topics\" takes a list"},
        BadFile{"mappings:\n  - topics: [A..b]", "m.yaml:2: \"A..b\" is no topic"},
        BadFile{"mappings:\n  - topics: [a]\n    stepz: 1", "m.yaml:3: unknown key \"stepz\""},
        BadFile{"mappings:\n  - topics: [a]", "\"steps\" takes a list"},
        BadFile{"mappings:\n  - topics: [a]\n    when: .a |\n    steps: []",
                "m.yaml:3: when: not a jq"},
        BadFile{"mappings:\n  - topics: [a]\n    steps:\n      - external_id: .key",
                "\"model\" is missing"},
        BadFile{"mappings:\n  - topics: [a]\n    steps:\n      - model: m",
                "\"external_id\" is missing"},
        BadFile{
            "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: .key",
            "\"fields\" takes a map"},
        BadFile{
            "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: .key\n"
            "        fields: {id: .key}",
            "m.yaml:6: the external id is set with external_id"},
        BadFile{
            "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: .key\n"
            "        fields: {name: Machine 4}",
            "m.yaml:6: name: not a jq program"},
        BadFile{
            "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: .key\n"
            "        fields: {name: .key |}",
            "unexpected $end in line 1; a fixed text"},
        BadFile{
            "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: .key\n"
            "        fields:\n          name: .key\n          code: .key\n          name: .value",
            "m.yaml:9: \"name\" stands in this map already, on line 7; take one of them out"},
        BadFile{"mappings:\n  - topics: [a]\n    lane: .key\n    lane: .value\n",
                "m.yaml:4: \"lane\" stands in this map already, on line 3"},
        BadFile{"mappings: []\nfeed: a\nmappings: []\n", "m.yaml:3: \"mappings\" stands"},
        BadFile{"mappings: [\n", "m.yaml:2"}));

/// A rule of one step.
std::string with_step(const std::string& step) {
    return "mappings:\n  - topics: [a]\n    steps:\n      - {" + step + "}\n";
}

class BadStep : public testing::TestWithParam<BadFile> {};

TEST_P(BadStep, IsRefusedWithPlaceAndHint) {
    const auto parsed = parse_mapping("m.yaml", with_step(GetParam().text));
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().text, HasSubstr(GetParam().message));
    EXPECT_THAT(parsed.error().text, HasSubstr("m.yaml:"));
}

INSTANTIATE_TEST_SUITE_P(
    Steps,
    BadStep,
    testing::Values(
        BadFile{"action: upser, model: m", "action is one of upsert, lookup, create, write, call"},
        BadFile{"model: m, external_idd: .key", "did you mean \"external_id\"?"},
        BadFile{"model: m, external_id: .key, method: x", "unknown key \"method\""},
        BadFile{"model: m, mode: safe, external_id: .key", "mode is upsert or ledger"},
        BadFile{"model: m, mode: ledger, external_id: .key, fields: {a: .key}",
                "the ledger is for create, write and call"},
        BadFile{"model: m, name: Big, external_id: .key", "lower-case letters"},
        BadFile{"model: 'm m', external_id: .key", "takes a name of Odoo"},
        BadFile{"model: m, external_id: .steps.order.id, fields: {a: .key}",
                "no step above is named \"order\""},
        BadFile{"model: m, external_id: .key, fields: {a: .key}, batch: many", "takes a number up"},
        BadFile{"model: m, external_id: .key, fields: {a: .key}, linger_ms: 60001",
                "takes a number up to 60000"},
        BadFile{"action: lookup, model: m", "external_id or domain, one of them"},
        BadFile{"action: lookup, model: m, external_id: .key, domain: .key", "one of them"},
        BadFile{"action: lookup, model: m, external_id: .key, missing: maybe", "missing is fault"},
        BadFile{"action: lookup, model: m, external_id: .key, read: name",
                "read takes a list of names"},
        BadFile{"action: create, model: m, fields: {a: .key}", "say mode: ledger"},
        BadFile{"action: create, model: m, mode: ledger", "\"fields\" takes a map"},
        BadFile{"action: create, model: stock.quant, fields: {a: .key}", "inventory_mode"},
        BadFile{"action: write, model: m, fields: {a: .key}", "\"id\" is missing"},
        BadFile{"action: call, model: m, id: .key", "\"method\" is missing"},
        BadFile{"action: call, model: m, id: .key, method: _x", "private method"},
        BadFile{"action: call, model: m, id: .key, method: \"x(); env.cr.execute('a')\"",
                "method takes"},
        BadFile{"action: call, model: m, id: .key, method: x", "how is a repeat told?"},
        BadFile{"action: call, model: m, id: .key, method: x, repeat_safe: yes please",
                "takes true or false"},
        BadFile{"action: call, model: mrp.production, id: .key, method: button_mark_done, "
                "repeat_safe: true",
                "may answer with a wizard"},
        BadFile{"action: call, model: stock.scrap, id: .key, method: action_validate, "
                "expect: {state: done}",
                "scraps again: say mode: ledger"},
        BadFile{"action: call, model: m, id: .key, method: x, repeat_safe: true, context_ids: ids",
                "context_ids takes a list of names"},
        BadFile{"action: call, model: m, id: .key, method: x, repeat_safe: true, "
                "context_ids: [a b]",
                "context_ids takes a list of names"},
        BadFile{"action: call, model: m, id: .key, method: x, repeat_safe: true, "
                "context_ids: [one], context: {one: .key}",
                "\"one\" is in context and in context_ids"},
        BadFile{"model: m, external_id: .key, fields: {a: .key}, context_ids: [ids]",
                "unknown key \"context_ids\""},
        BadFile{"action: call, model: m, id: .key, method: x, expect: done", "takes a map"},
        BadFile{"action: call, model: m, id: .key, method: x, expect: {state: {a: 1}}",
                "a value, or a list"}));

TEST(BadMapping, StepNamesAreTakenOnce) {
    const auto parsed = parse_mapping("m.yaml", R"(mappings:
  - topics: [a]
    steps:
      - {name: one, model: m, external_id: .key, fields: {a: .key}}
      - {name: one, model: m, external_id: .key, fields: {a: .key}}
)");
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().text, HasSubstr("m.yaml:5: a step above is named \"one\" already"));
}

TEST(BadMapping, StepsOfTheLedgerHaveMarkersOfTheirOwn) {
    const auto parsed = parse_mapping("m.yaml", R"(mappings:
  - topics: [a]
    steps:
      - {action: create, mode: ledger, model: m, fields: {a: .key}}
      - {action: create, mode: ledger, model: m, fields: {a: .key}}
)");
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().text, HasSubstr("m.yaml:5: a step above does the same"));
}

TEST(BadMapping, ProgramWithANulIsRefusedAndNotCut) {
    const auto parsed = parse_mapping("m.yaml", R"(mappings:
  - topics: [a]
    when: "true\0 and false"
    steps: []
)");
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().text, HasSubstr("m.yaml:3: when takes a jq program as text"));
}

TEST(BadMapping, FileHasALimit) {
    EXPECT_THAT(parse_mapping("m.yaml", std::string((4U << 20U) + 1, '#')).error().text,
                HasSubstr("more than 4194304 bytes"));
}

TEST(BadMapping, StepsOfARuleHaveALimit) {
    std::string text = "mappings:\n  - topics: [a]\n    steps:\n";
    for (int step = 0; step < 33; ++step) {
        text += "      - {model: m, external_id: .key, fields: {a: .key}}\n";
    }
    EXPECT_THAT(parse_mapping("m.yaml", text).error().text, HasSubstr("more than 32 steps"));
}

}  // namespace
}  // namespace millrace::broker::odoo
