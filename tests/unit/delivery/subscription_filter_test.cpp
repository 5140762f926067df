#include "broker/delivery/rules/subscription_filter.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

using Verdict = SubscriptionFilter::Verdict;

SubscriptionFilter::Judged judged(const std::string& program, std::string_view value) {
    const auto filter = SubscriptionFilter::make(program);
    EXPECT_TRUE(filter) << filter.error().text;
    return filter.value().judge({.key = "WO-1",
                                 .value = value,
                                 .headers = {{.key = "site", .value = "north"}},
                                 .event_time_us = 5},
                                {.id = PartitionId{9},
                                 .topic = "plant1.mes.step.done",
                                 .partition_index = 2,
                                 .offset = Offset{17},
                                 .append_time_us = 6});
}

Verdict judge(const std::string& program, std::string_view value) {
    return judged(program, value).verdict;
}

TEST(SubscriptionFilter, SeesTheWholeRecord) {
    for (const auto* const program : {".topic == \"plant1.mes.step.done\"",
                                      ".partition == 2 and .offset == 17",
                                      ".append_time_us == 6 and .event_time_us == 5",
                                      ".key == \"WO-1\"",
                                      ".headers.site == \"north\"",
                                      ".value.scrap > 0"}) {
        EXPECT_EQ(judge(program, R"({"scrap": 3})"), Verdict::wanted) << program;
    }
    EXPECT_EQ(judge(".value.scrap > 0", R"({"scrap": 0})"), Verdict::unwanted);
}

TEST(SubscriptionFilter, AValueThatIsNoJsonIsAString) {
    EXPECT_EQ(judge(".value == \"plain \\\"text\\\"\"", "plain \"text\""), Verdict::wanted);
    EXPECT_EQ(judge(".value | type == \"string\"", "\xff\xfe"), Verdict::wanted);
    EXPECT_EQ(judge(".value == \"\"", ""), Verdict::wanted);
}

TEST(SubscriptionFilter, WhatFailsOrGivesNothingIsNotWanted) {
    EXPECT_EQ(judge(".value.scrap > 0 | error", R"({"scrap": 3})"), Verdict::failed);
    EXPECT_EQ(judge(".value.a.b", "\"text\""), Verdict::failed);
    EXPECT_NE(judged(".value.a.b", "\"text\"").fault.find("Cannot index string"),
              std::string::npos);
    EXPECT_EQ(judge("empty", "1"), Verdict::unwanted);
    EXPECT_EQ(judge("null", "1"), Verdict::unwanted);
    EXPECT_EQ(judge("0", "1"), Verdict::wanted) << "as in jq, 0 is true";
}

TEST(SubscriptionFilter, AProgramThatJqRefusesIsNamed) {
    const auto filter = SubscriptionFilter::make(".value.scrap >");
    ASSERT_FALSE(filter);
    EXPECT_EQ(filter.error().code, Errc::invalid_argument);
    EXPECT_NE(filter.error().text.find("syntax error"), std::string::npos) << filter.error().text;
}

TEST(SubscriptionFilter, AValueThatHarmsAParserIsAString) {
    const std::string deep = std::string(201, '[') + std::string(201, ']');
    EXPECT_EQ(judge(".value | type == \"string\"", deep), Verdict::wanted);
    EXPECT_EQ(judge(".value | type == \"string\"", std::string_view("{}\0", 3)), Verdict::wanted);
    EXPECT_EQ(judge(".value | type == \"array\"", deep.substr(1, 400)), Verdict::wanted);
}

}  // namespace
}  // namespace millrace::broker::delivery
