#include "broker/gateways/http/records/record_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::broker::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Json = nlohmann::ordered_json;

Result<IncomingRecord> read(const char* text) {
    return record_from_json(Json::parse(text));
}

TEST(RecordText, MembersOfARecordAreTaken) {
    const auto record =
        read(R"({"key":"WO-1","value":{"b":1,"a":2.5},"headers":{"event-id":"e1","n":7},)"
             R"("event_time":"2026-11-20T06:00:00.5Z","partition":3})");
    ASSERT_TRUE(record);
    EXPECT_EQ(record.value().key, "WO-1");
    EXPECT_EQ(record.value().value, R"({"b":1,"a":2.5})");
    EXPECT_THAT(record.value().headers, ElementsAre(Pair("event-id", "e1"), Pair("n", "7")));
    EXPECT_EQ(record.value().event_time_us, 1'795'154'400'500'000);
    EXPECT_EQ(record.value().partition, 3U);
    EXPECT_EQ(record.value().header("n"), "7");
}

TEST(RecordText, ATextIsTakenAsItIsAndBytesAsBase64) {
    EXPECT_EQ(read(R"({"value":"plain"})").value().value, "plain");
    EXPECT_EQ(read(R"({"value":null})").value().value, "");
    EXPECT_EQ(read(R"({"value":7,"key":5})").value().key, "5");
    const auto record = read(R"({"value_base64":"AP8=","key_base64":"AQ==","headers":)"
                             R"([{"key":"h","value_base64":"/w=="}]})");
    EXPECT_EQ(record.value().value, std::string("\0\xff", 2));
    EXPECT_EQ(record.value().key, "\x01");
    EXPECT_THAT(record.value().headers, ElementsAre(Pair("h", "\xff")));
}

TEST(RecordText, WhatIsNoRecordIsRefusedWithTheReason) {
    for (const auto& [text, word] :
         {std::pair{"[]", "a record is an object"},
          std::pair{"{}", "\"value\" is missing"},
          std::pair{R"({"value":1,"kye":2})", "unknown member \"kye\""},
          std::pair{R"({"value":1,"partition":-1})", "number of a partition"},
          std::pair{R"({"value":1,"partition":4294967296})", "number of a partition"},
          std::pair{R"({"value":1,"event_time":"soon"})", "a moment"},
          std::pair{R"({"value":1,"event_time_us":1e3})", "microseconds"},
          std::pair{R"({"value":1,"headers":7})", "neither"},
          std::pair{R"({"value":1,"headers":[{}]})", "as a list"},
          std::pair{R"({"value_base64":"?"})", "no base64"}}) {
        const auto record = read(text);
        ASSERT_FALSE(record) << text;
        EXPECT_EQ(record.error().code, Errc::invalid_argument) << text;
        EXPECT_THAT(record.error().text, HasSubstr(word)) << text;
    }
}

TEST(RecordText, WhatIsShownIsReadBack) {
    const wire::RecordView records[] = {
        {.key = "k",
         .value = R"({"a":[1,2]})",
         .headers = {{.key = "h", .value = "v"}},
         .event_time_us = 5},
        {.key = std::nullopt, .value = "5", .headers = {}, .event_time_us = 0},
        {.key = "\xff",
         .value = "\xfe",
         .headers = {{.key = "h", .value = "1"}, {.key = "h", .value = "\xff"}}},
        {.key = "", .value = "{broken", .headers = {}}};
    for (const auto& record : records) {
        const auto line =
            record_to_json(record, {.topic = "a.b", .partition_index = 2, .offset = Offset{9}});
        EXPECT_EQ(line.find('\n'), std::string::npos);
        const auto again = read(line.c_str());
        ASSERT_TRUE(again) << line;
        EXPECT_EQ(again.value().key, record.key) << line;
        EXPECT_EQ(again.value().value, record.value) << line;
        EXPECT_EQ(again.value().event_time_us, record.event_time_us);
        EXPECT_EQ(again.value().partition, 2U);
        ASSERT_EQ(again.value().headers.size(), record.headers.size());
        for (std::size_t i = 0; i < record.headers.size(); ++i) {
            EXPECT_EQ(again.value().headers[i].first, record.headers[i].key);
            EXPECT_EQ(again.value().headers[i].second, record.headers[i].value);
        }
    }
}

TEST(RecordText, AValueThatOnlyBeginsAsJsonStaysText) {
    const std::string deep = std::string(201, '[') + std::string(201, ']');
    const std::string cut("{}\0,\"forged\":1", 14);
    for (const auto& value : {deep, cut}) {
        const auto line = record_to_json({.key = {}, .value = value}, {.topic = "a.b"});
        const auto json = Json::parse(line, nullptr, false);
        ASSERT_TRUE(json.is_object()) << line;
        EXPECT_EQ(json.at("value"), value);
    }
}

}  // namespace
}  // namespace millrace::broker::http
