#include "broker/delivery/letters/letter_document.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/wire/record.hpp"

namespace millrace::broker::delivery {
namespace {

Letter letter_with(std::string_view value) {
    Letter letter;
    letter.id = 1001;
    letter.key = "M4";
    letter.cause = Cause::mapping;
    letter.error = "no product CH-9";
    letter.correlation_id = "c-7";
    letter.last_failure_us = 100;
    letter.record = wire::format_plain_record(
        {.key = "M4", .value = value, .headers = {{.key = "event-id", .value = "e1"}}});
    return letter;
}

std::string value_of(std::span<const std::byte> record) {
    return std::string(wire::parse_plain_record(record).value().value);
}

expressions::JqProgram program(const std::string& text) {
    return expressions::JqProgram::compile(text).value();
}

TEST(LetterDocument, ShowsFactsHeadersAndTheValueAsJson) {
    const auto json = nlohmann::json::parse(letter_document(letter_with(R"({"product":"CH-9"})")));
    EXPECT_EQ(json.at("cause"), "mapping");
    EXPECT_EQ(json.at("headers").at("event-id"), "e1");
    EXPECT_EQ(json.at("value").at("product"), "CH-9");
}

TEST(LetterDocument, ValueThatIsNoJsonIsAString) {
    const auto text = letter_document(letter_with("a;b\xff"));
    EXPECT_EQ(nlohmann::json::parse(text).at("value"), "a;b\xef\xbf\xbd");
}

TEST(LetterFilter, EveryPartMustAgree) {
    const auto letter = letter_with(R"({"product":"CH-9"})");
    const auto wants = [&letter](const LetterQuery& query) {
        return LetterFilter::make(query).value().wants(letter);
    };
    EXPECT_TRUE(wants({}));
    EXPECT_TRUE(
        wants({.key = "M4", .error_contains = "CH", .where = ".value.product == \"CH-9\""}));
    EXPECT_FALSE(wants({.key = "M5"}));
    EXPECT_FALSE(wants({.error_contains = "price"}));
    EXPECT_FALSE(wants({.correlation_id = "c-8"}));
    EXPECT_FALSE(wants({.where = ".value.product == \"CH-8\""}));
    EXPECT_FALSE(wants({.where = ".value.nothing"}));
    EXPECT_FALSE(wants({.where = ".value | error"}));
    EXPECT_FALSE(wants({.since_us = 101}));
}

TEST(LetterFilter, ProgramThatJqRefusesIsNamed) {
    const auto made = LetterFilter::make({.where = ".value ="});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::invalid_argument);
    EXPECT_TRUE(made.error().text.starts_with("where: ")) << made.error().text;
}

TEST(TransformRecord, ChangesValueAndHeadersAndKeepsTheRest) {
    const auto letter = letter_with(R"({"product":"CH-9","lines":[1,2]})");
    const auto made =
        transform_record(program(".value.product = \"CH-09\" | .headers.fixed = \"yes\""), letter);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(value_of(made.value()), R"({"product":"CH-09","lines":[1,2]})");
    const auto record = wire::parse_plain_record(made.value()).value();
    EXPECT_EQ(record.key, "M4");
    EXPECT_EQ(record.header("fixed"), "yes");
    EXPECT_EQ(record.header("event-id"), "e1");
}

TEST(TransformRecord, StartsFromTheLastEdit) {
    auto letter = letter_with(R"({"a":1})");
    letter.edited = transform_record(program(".value.b = 2"), letter).value();
    EXPECT_EQ(value_of(transform_record(program(".value.c = 3"), letter).value()),
              R"({"a":1,"b":2,"c":3})");
}

TEST(TransformRecord, RefusesWhatIsNotOneLetterOfTheSameKey) {
    const auto letter = letter_with(R"({"a":1})");
    for (const auto* const text :
         {".key = \"other\"", "empty", "., .", ".value", "error(\"no\")"}) {
        const auto made = transform_record(program(text), letter);
        ASSERT_FALSE(made) << text;
        EXPECT_EQ(made.error().code, Errc::invalid_argument) << text;
    }
}

TEST(ReplaceValue, KeepsKeyAndHeaders) {
    const auto record = replace_value(letter_with("old"), "new").value();
    EXPECT_EQ(value_of(record), "new");
    EXPECT_EQ(wire::parse_plain_record(record).value().header("event-id"), "e1");
}

TEST(LetterDocument, ValueThatHarmsAParserIsAString) {
    for (const auto& value :
         {std::string(100'000, '[') + std::string(100'000, ']'), std::string("{}\0rest", 7)}) {
        const auto json = nlohmann::json::parse(letter_document(letter_with(value)));
        EXPECT_EQ(json.at("value"), value);
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
