#include "broker/odoo/mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/wire/record.hpp"

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* good = R"(mappings:
  - topics: [plant1.mes.>]
    when: .value.report != "S"
    steps:
      - model: mrp.production
        external_id: '"wo_" + (.key | external_name)'
        fields:
          product_id: .value.product
          product_qty: .value.quantity
      - model: mrp.workorder
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

Plan plan(const std::string& mapping,
          const std::vector<std::byte>& bytes,
          std::string_view topic = "plant1.mes.step") {
    const auto parsed = parse_mapping("m.yaml", mapping);
    EXPECT_TRUE(parsed) << parsed.error().text;
    return parsed.value().plan({.topic = topic, .record = bytes});
}

TEST(Mapping, MakesARowAStep) {
    const auto made =
        std::get<Planned>(plan(good, record(R"({"product":"Nut","quantity":4,"report":"D"})")));
    ASSERT_EQ(made.rows.size(), 2U);
    EXPECT_THAT(made.rows[0], ElementsAre("millrace.wo_Case_32_1", "Nut", "4"));
    EXPECT_THAT(
        made.rows[1],
        ElementsAre("plant1.step_e7", "millrace.wo_Case_32_1", "2012-01-30 05:43:00", "", "True"));
}

TEST(Mapping, GuardSaysNo) {
    EXPECT_TRUE(std::holds_alternative<NotWanted>(plan(good, record(R"({"report":"S"})"))));
}

TEST(Mapping, ExternalNamesOfDifferentKeysDiffer) {
    const auto value = R"({"product":"Nut","quantity":4,"report":"D"})";
    const auto one = std::get<Planned>(plan(good, record(value, "a b"))).rows[0][0];
    const auto two = std::get<Planned>(plan(good, record(value, "a_32_b"))).rows[0][0];
    const auto three = std::get<Planned>(plan(good, record(value, "a.b"))).rows[0][0];
    EXPECT_NE(one, two);
    EXPECT_NE(one, three);
}

TEST(Mapping, FaultNamesFileLineAndField) {
    const auto fault = std::get<Fault>(
        plan(good, record(R"({"product":{"name":"Nut"},"quantity":1,"report":"D"})")));
    EXPECT_EQ(fault.cause, Cause::mapping);
    EXPECT_THAT(fault.error, HasSubstr("m.yaml:8: product_id: gives {\"name\":\"Nut\"}"));
}

TEST(Mapping, TextWithNulNeverLeaves) {
    const auto fault =
        std::get<Fault>(plan(good, record(R"({"product":"N\u0000t","quantity":1,"report":"D"})")));
    EXPECT_THAT(fault.error, HasSubstr("NUL"));
}

TEST(Mapping, ValueThatIsNoJsonIsAText) {
    const auto fault = std::get<Fault>(plan(good, record("plain words")));
    EXPECT_THAT(fault.error, HasSubstr("m.yaml:3: when: "));
}

TEST(Mapping, BytesThatAreNoTextAreAFault) {
    const auto fault = std::get<Fault>(plan(good, record("\xff\xfe")));
    EXPECT_THAT(fault.error, HasSubstr("not UTF-8"));
}

TEST(Mapping, TopicWithoutARuleIsAFaultAndNotForgotten) {
    const auto fault = std::get<Fault>(plan(good, record("{}"), "plant2.x"));
    EXPECT_THAT(fault.error, HasSubstr("no mapping for topic \"plant2.x\""));
}

TEST(Mapping, ExternalIdWithBlanksOrTwoDotsIsAFault) {
    const std::string head =
        "mappings:\n  - topics: [a]\n    steps:\n      - model: m\n        external_id: ";
    const std::string tail = "\n        fields: {name: .key}\n";
    for (const char* const id : {"'\"a b\"'", "'\"a.b.c\"'", "'\"\"'", "'null'", "'7'"}) {
        auto mapping = head;
        mapping.append(id).append(tail);
        const auto made = plan(mapping, record("{}"), "a");
        ASSERT_TRUE(std::holds_alternative<Fault>(made)) << id;
        EXPECT_THAT(std::get<Fault>(made).error, HasSubstr("m.yaml:5: external_id"));
    }
}

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
        BadFile{"maps: []", "m.yaml:1: unknown key \"maps\"; known here: mappings"},
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
        BadFile{"mappings: [\n", "m.yaml:2"}));

TEST(MappingFile, ThatCannotBeReadSaysSo) {
    EXPECT_THAT(parse_mapping_file("/nonexistent/m.yaml").error().text, HasSubstr("cannot read"));
}

}  // namespace
}  // namespace millrace::broker::odoo
