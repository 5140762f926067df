#include "client/cli/app/publish_input.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

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

TEST(ParseLine, TakesTheEventIdFromAFieldOfTheValue) {
    const LineRules rules{.topic = "a.b", .event_id_field = "id", .headers = {{"h", "1"}}};
    const std::vector<Header> headers{{"event-id", "42"}, {"h", "1"}};
    EXPECT_EQ(parse_line(R"({"id":42})", rules).record.headers, headers);
    EXPECT_THROW(static_cast<void>(parse_line(R"({"id":""})", rules)), UsageError);
    EXPECT_THROW(static_cast<void>(parse_line(R"({"no":1})", rules)), UsageError);
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

TEST(PublishInput, HeaderThatSaysNoTimeIsRefusedOnTheCommandLineAndInALine) {
    EXPECT_EQ(parse_header_option("deliver-after=2026-11-24T06:00:00Z").key, "deliver-after");
    EXPECT_THROW((void)parse_header_option("deliver-after=tomorrow"), UsageError);
    EXPECT_THROW((void)parse_header_option("expires-at="), UsageError);
    const LineRules rules{.topic = "t", .is_jsonl = true};
    EXPECT_NO_THROW(
        (void)parse_line(R"({"value":1,"headers":{"expires-at":"1795500000000"}})", rules));
    EXPECT_THROW((void)parse_line(R"({"value":1,"headers":{"expires-at":"soon"}})", rules),
                 UsageError);
}

class LineSourceTest : public testing::Test {
  protected:
    /// A file of the test's own with this content.
    std::string file_with(const std::string& content) {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        path_ = testing::TempDir() + "millrace_cli_" + test->name() + std::to_string(::getpid());
        std::ofstream(path_, std::ios::binary) << content;
        return path_;
    }
    static std::vector<std::string> lines_of(const std::string& path) {
        LineSource source(path);
        std::vector<std::string> lines;
        for (std::string line; source.read(line);) {
            lines.push_back(line);
        }
        EXPECT_EQ(source.line_number(), lines.size());
        return lines;
    }
    void TearDown() override { std::filesystem::remove(path_); }

    std::string path_;
};

TEST_F(LineSourceTest, GivesEveryLineAlsoEmptyOnesAndALastOneWithoutItsEnd) {
    const std::vector<std::string> expected{"a", "", "b"};
    EXPECT_EQ(lines_of(file_with("a\n\nb")), expected);
    EXPECT_EQ(lines_of(file_with("a\n\nb\n")), expected);
    EXPECT_EQ(lines_of(file_with("")), std::vector<std::string>{});
    EXPECT_EQ(lines_of(file_with("\n")), std::vector<std::string>{""});
}

TEST_F(LineSourceTest, ReadsLinesAcrossAndBeyondItsChunks) {
    std::vector<std::string> lines;
    std::string content;
    for (std::size_t i = 0; i < 300; ++i) {
        lines.push_back(std::string(i * 7 % 1'500, static_cast<char>('a' + i % 26)));
        content += lines.back() + "\n";
    }
    lines.emplace_back(200'000, 'x');
    content += lines.back() + "\n";
    EXPECT_EQ(lines_of(file_with(content)), lines);
}

TEST_F(LineSourceTest, KnowsHowMuchOfAFileItHasRead) {
    LineSource source(file_with("abc\ndefghij\n"));
    std::string line;
    ASSERT_TRUE(source.read(line));
    EXPECT_DOUBLE_EQ(source.share(), 4.0 / 12.0);
}

TEST_F(LineSourceTest, RefusesWhatIsNoReadableFile) {
    EXPECT_THROW(LineSource("/does/not/exist"), UsageError);
    EXPECT_THROW(LineSource{testing::TempDir()}, UsageError);
}

}  // namespace
}  // namespace millrace::cli
