#include "client/cli/app/publish_input.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

TEST(ParseLine, TakesTheWholeLineAsValue) {
    const TopicRecord parsed = parse_line("hello world\r", {.topic = "a.b"});
    EXPECT_EQ(parsed.topic, "a.b");
    EXPECT_EQ(parsed.record.value, "hello world");
    EXPECT_EQ(parsed.record.key, std::nullopt);
}

TEST(ParseLine, TakesTheKeyFromAFieldOfTheValue) {
    const LineRules rules{.topic = "a.b", .key_field = "wo.id"};
    EXPECT_EQ(parse_line(R"({"wo":{"id":"WO-1"}})", rules).record.key, "WO-1");
    EXPECT_THROW(static_cast<void>(parse_line(R"({"wo":{}})", rules)), UsageError);
    EXPECT_THROW(static_cast<void>(parse_line("no json", rules)), UsageError);
}

TEST(ParseLine, SplitsKeyAndValueAtTheFirstSeparator) {
    const LineRules rules{.topic = "a.b", .key_separator = "\t"};
    const TopicRecord parsed = parse_line("k\tv\tw", rules);
    EXPECT_EQ(parsed.record.key, "k");
    EXPECT_EQ(parsed.record.value, "v\tw");
    EXPECT_THROW(static_cast<void>(parse_line("kv", rules)), UsageError);
}

TEST(ParseLine, JsonLinesNameTheirOwnTopicKeyAndPartition) {
    const LineRules rules{.topic = "a.b", .is_jsonl = true, .key = "K", .headers = {{"h", "1"}}};
    const TopicRecord own =
        parse_line(R"({"topic":"c.d","key":"own","partition":1,"value":"x"})", rules);
    EXPECT_EQ(own.topic, "c.d");
    EXPECT_EQ(own.record.key, "own");
    EXPECT_EQ(own.record.partition, 1U);
    const TopicRecord plain = parse_line(R"({"value":"x","headers":{"g":"0"}})", rules);
    EXPECT_EQ(plain.topic, "a.b");
    EXPECT_EQ(plain.record.key, "K");
    const std::vector<Header> headers{{"g", "0"}, {"h", "1"}};
    EXPECT_EQ(plain.record.headers, headers);
}

TEST(ParseLine, RefusesARecordWithoutTopic) {
    EXPECT_THROW(static_cast<void>(parse_line(R"({"value":"x"})", {.is_jsonl = true})), UsageError);
}

TEST(ParseHeaderOption, SplitsAtTheFirstEqualsSign) {
    EXPECT_EQ(parse_header_option("a=b=c"), (Header{"a", "b=c"}));
    EXPECT_EQ(parse_header_option("a="), (Header{"a", ""}));
    EXPECT_THROW(static_cast<void>(parse_header_option("a")), UsageError);
    EXPECT_THROW(static_cast<void>(parse_header_option("=b")), UsageError);
}

}  // namespace
}  // namespace millrace::cli
