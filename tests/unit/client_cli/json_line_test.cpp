#include "client/cli/text/json_line.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/cli/text/usage_error.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::cli {
namespace {

/// Texts of the record are those that are given.
Record record_of(std::optional<std::string_view> key, std::string_view value) {
    Record record;
    record.topic = "a.b";
    record.partition = 3;
    record.offset = 17;
    record.append_time_us = 1'700'000'000'000'001;
    record.event_time_us = 1'600'000'000'000'000;
    record.key = key;
    record.value = value;
    return record;
}

TEST(ParseJsonLine, ReadsAllFields) {
    const TopicRecord parsed = parse_json_line(
        R"({"topic":"a.b","key":"WO-1","headers":{"schema":"v1","n":5},"event_time_us":42,)"
        R"("partition":2,"value":"hello"})");
    EXPECT_EQ(parsed.topic, "a.b");
    EXPECT_EQ(parsed.record.key, "WO-1");
    EXPECT_EQ(parsed.record.value, "hello");
    EXPECT_EQ(parsed.record.event_time_us, 42);
    EXPECT_EQ(parsed.record.partition, 2U);
    const std::vector<Header> headers{{"schema", "v1"}, {"n", "5"}};
    EXPECT_EQ(parsed.record.headers, headers);
}

TEST(ParseJsonLine, WritesAValueThatIsNoTextAsJsonInItsOrder) {
    EXPECT_EQ(parse_json_line(R"({"value":{"z":1,"a":[true,null]}})").record.value,
              R"({"z":1,"a":[true,null]})");
    EXPECT_EQ(parse_json_line(R"({"value":42})").record.value, "42");
    EXPECT_EQ(parse_json_line(R"({"value":null})").record.value, "");
}

TEST(FormatJsonLine, OfAValueThatIsJsonOnlyUpToANulIsJson) {
    const std::string value("{}\0x", 4);
    const auto line = format_json_line(record_of(std::nullopt, value));
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
    EXPECT_EQ(nlohmann::json::parse(line).at("value"), value);
}

TEST(FormatJsonLine, AValueThatIsNestedTooDeepComesAsText) {
    const std::size_t levels = 1'000'000;
    const std::string value = std::string(levels, '[') + "\n" + std::string(levels, ']');
    const auto line = format_json_line(record_of(std::nullopt, value));
    EXPECT_EQ(parse_json_line(line).record.value, value);
    EXPECT_THROW(static_cast<void>(parse_json_line("{\"value\":" + value + "}")), UsageError);
    EXPECT_EQ(find_field("{\"a\":" + value + "}", "a"), std::nullopt);
}

TEST(ParseJsonLine, LeavesOutWhatIsMissing) {
    const TopicRecord parsed = parse_json_line(R"({"value":"x","key":null,"offset":9})");
    EXPECT_EQ(parsed.topic, "");
    EXPECT_EQ(parsed.record.key, std::nullopt);
    EXPECT_EQ(parsed.record.partition, std::nullopt);
    EXPECT_EQ(parsed.record.event_time_us, 0);
}

TEST(ParseJsonLine, RefusesWhatItCantPublish) {
    for (const char* line : {"",
                             "{",
                             "5",
                             "[]",
                             "{}",
                             R"({"key":"a"})",
                             R"({"value":"x","topic":5})",
                             R"({"value":"x","event_time_us":"soon"})",
                             R"({"value":"x","event_time_us":1.5})",
                             R"({"value":"x","partition":-1})",
                             R"({"value":"x","partition":4294967296})",
                             R"({"value":"x","event_time_us":18446744073709551615})",
                             R"({"value":"x","headers":"a=b"})",
                             R"({"value":"x","headers":[{"value":"b"}]})",
                             R"({"value":"x","headers":[5]})",
                             R"({"value_base64":"*"})"}) {
        EXPECT_THROW(static_cast<void>(parse_json_line(line)), UsageError) << line;
    }
}

TEST(FormatJsonLine, EmbedsObjectsAndQuotesTheRest) {
    EXPECT_EQ(format_json_line(record_of("k", R"({"qty": 1.0})")),
              R"({"topic":"a.b","partition":3,"offset":17,"append_time_us":1700000000000001,)"
              R"("event_time_us":1600000000000000,"key":"k","value":{"qty": 1.0}})");
    const std::string text = format_json_line(record_of(std::nullopt, "say \"hi\""));
    EXPECT_NE(text.find(R"("key":null,"value":"say \"hi\"")"), std::string::npos) << text;
}

TEST(FormatJsonLine, IsReadBackToTheSameKeyValueAndHeaders) {
    const std::string bytes("\xff\x00\x80", 3);
    for (const std::string& value : {std::string(R"({"a":"b"})"),
                                     std::string("42"),
                                     std::string("\"quoted\""),
                                     std::string(),
                                     std::string("{no json"),
                                     std::string("two\nlines"),
                                     bytes}) {
        const std::vector<Header> headers{{"twice", "1"}, {"twice", "2"}, {"bytes", bytes}};
        Record record = record_of(value, value);
        for (const auto& header : headers) {
            record.headers.push_back({.key = header.key, .value = header.value});
        }
        const std::string line = format_json_line(record);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        ASSERT_TRUE(nlohmann::json::accept(line)) << line;
        const TopicRecord parsed = parse_json_line(line);
        EXPECT_EQ(parsed.topic, record.topic);
        EXPECT_EQ(parsed.record.key, record.key);
        EXPECT_EQ(parsed.record.value, value);
        EXPECT_EQ(parsed.record.headers, headers);
        EXPECT_EQ(parsed.record.event_time_us, record.event_time_us);
    }
}

TEST(FormatJsonLine, PutsAnObjectOverSeveralLinesOnOne) {
    const std::string line = format_json_line(record_of("k", "{\n  \"a\": 1\n}"));
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_NE(line.find(R"("value":{"a":1})"), std::string::npos) << line;
}

TEST(FindField, FollowsDotsPointersAndPositions) {
    const char* json =
        R"({"order":{"id":"WO-1","qty":10,"done":true,"x/y":"s"},"lines":[{"p":"C"}]})";
    EXPECT_EQ(find_field(json, "order.id"), "WO-1");
    EXPECT_EQ(find_field(json, "/order/id"), "WO-1");
    EXPECT_EQ(find_field(json, "order.qty"), "10");
    EXPECT_EQ(find_field(json, "order.done"), "true");
    EXPECT_EQ(find_field(json, "lines.0.p"), "C");
    EXPECT_EQ(find_field(json, "order.x/y"), "s");
}

TEST(FindField, GivesNothingWhereThereIsNothing) {
    for (const char* path : {"", "b", "a.b", "n", "l.5", "l.x", "/a~2", "l.-1", "l.01"}) {
        EXPECT_EQ(find_field(R"({"a":1,"n":null,"l":[1]})", path), std::nullopt) << path;
    }
    EXPECT_EQ(find_field("no json", "a"), std::nullopt);
}

TEST(Base64, TakesBytesThereAndBack) {
    EXPECT_EQ(format_base64(""), "");
    EXPECT_EQ(format_base64("f"), "Zg==");
    EXPECT_EQ(format_base64("fo"), "Zm8=");
    EXPECT_EQ(format_base64("foobar"), "Zm9vYmFy");
    for (std::size_t size = 0; size < 70; ++size) {
        std::string bytes;
        for (std::size_t i = 0; i < size; ++i) {
            bytes += static_cast<char>(i * 37 + size);
        }
        EXPECT_EQ(parse_base64(format_base64(bytes)), bytes);
    }
    EXPECT_EQ(parse_base64("Zg"), "f");
    EXPECT_EQ(parse_base64("Z"), std::nullopt);
    EXPECT_EQ(parse_base64("Zg=g"), std::nullopt);
}

TEST(IsUtf8, RefusesLongFormsSurrogatesAndCutCharacters) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("Stra\xC3\x9F\x65 \xF0\x9F\x8F\xAD"));
    for (const char* text : {"\xC0\x80",
                             "\xE0\x80\x80",
                             "\xED\xA0\x80",
                             "\xF4\x90\x80\x80",
                             "\xF5\x80\x80\x80",
                             "\xC3",
                             "\x80",
                             "\xE2\x82"}) {
        EXPECT_FALSE(is_utf8(text));
    }
}

}  // namespace
}  // namespace millrace::cli
