#include "broker/gateways/http/records/cloud_event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::broker::http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;
using Json = nlohmann::ordered_json;

Json example() {
    return {{"specversion", "1.0"}, {"id", "17"}, {"source", "/mes/line1"}, {"type", "order.done"}};
}

TEST(CloudEvent, AttributesBecomeHeadersKeyAndTime) {
    auto json = example();
    json["time"] = "2026-11-20T06:00:00Z";
    json["subject"] = "WO-1";
    json["line"] = 4;
    json["data"] = {{"quantity", 10}};
    const auto record = record_from_cloud_event(json);
    ASSERT_TRUE(record);
    EXPECT_EQ(record.value().header("event-id"), "/mes/line1#17");
    EXPECT_EQ(record.value().header("ce_type"), "order.done");
    EXPECT_EQ(record.value().header("ce_id"), "17");
    EXPECT_EQ(record.value().header("ce_line"), "4");
    EXPECT_EQ(record.value().key, "WO-1");
    EXPECT_EQ(record.value().event_time_us, 1'795'154'400'000'000);
    EXPECT_EQ(record.value().value, R"({"quantity":10})");
    json["partitionkey"] = "other";
    EXPECT_EQ(record_from_cloud_event(json).value().key, "other");
}

TEST(CloudEvent, TheSameIdOfTwoSourcesIsTwoEvents) {
    auto one = example();
    auto other = example();
    other["source"] = "/mes/line2";
    EXPECT_NE(record_from_cloud_event(one).value().header("event-id"),
              record_from_cloud_event(other).value().header("event-id"));
}

TEST(CloudEvent, DataIsWhatItsTypeSays) {
    auto json = example();
    json["data"] = "text";
    EXPECT_EQ(record_from_cloud_event(json).value().value, "\"text\"");
    json["datacontenttype"] = "text/plain";
    const auto plain = record_from_cloud_event(json);
    EXPECT_EQ(plain.value().value, "text");
    EXPECT_EQ(plain.value().header("content-type"), "text/plain");
    json.erase("data");
    EXPECT_EQ(record_from_cloud_event(json).value().value, "");
    json["data_base64"] = "AP8=";
    EXPECT_EQ(record_from_cloud_event(json).value().value, std::string("\0\xff", 2));
}

TEST(CloudEvent, BinaryModeTakesHeadersWithPercentUndone) {
    Request request;
    request.headers = {{"ce-specversion", "1.0"},
                       {"ce-id", "17"},
                       {"ce-source", "/mes"},
                       {"ce-type", "order.done"},
                       {"ce-subject", "Stra%C3%9Fe"},
                       {"content-type", "application/xml"},
                       {"host", "x"}};
    request.body = "<a/>";
    ASSERT_TRUE(is_binary_cloud_event(request));
    const auto record = record_from_binary_cloud_event(request);
    ASSERT_TRUE(record);
    EXPECT_EQ(record.value().key,
              "Stra\xC3\x9F"
              "e");
    EXPECT_EQ(record.value().value, "<a/>");
    EXPECT_THAT(record.value().headers, Contains(Pair("content-type", "application/xml")));
}

TEST(CloudEvent, WhatIsNoEventIsRefusedWithTheReason) {
    const auto with = [](const char* name, Json value) {
        auto json = example();
        json[name] = std::move(value);
        return json;
    };
    for (const auto& [json, word] : {std::pair{Json::array(), "an event is an object"},
                                     std::pair{with("id", ""), "\"id\" is missing"},
                                     std::pair{with("specversion", "0.3"), "0.3"},
                                     std::pair{with("time", "1700000000000"), "a moment"},
                                     std::pair{with("My-Name", "x"), "no name of an attribute"},
                                     std::pair{with("extra", Json::object()), "takes a text"},
                                     std::pair{with("data_base64", 5), "no base64"}}) {
        const auto record = record_from_cloud_event(json);
        ASSERT_FALSE(record) << json;
        EXPECT_THAT(record.error().text, HasSubstr(word)) << json;
    }
    auto both = example();
    both["data"] = 1;
    both["data_base64"] = "AA==";
    EXPECT_FALSE(record_from_cloud_event(both));
}

}  // namespace
}  // namespace millrace::broker::http
