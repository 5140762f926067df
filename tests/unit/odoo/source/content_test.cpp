#include "broker/odoo/source/content.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/odoo/source/remembered.hpp"

namespace millrace::broker::odoo {
namespace {

using ::testing::HasSubstr;

SourceFile file_of(const std::string& lines) {
    auto file = parse_source_file(
        "s.yaml", "models:\n  - model: sale.order\n    fields: [name, state]\n" + lines);
    EXPECT_TRUE(file) << file.error().text;
    return std::move(file).value();
}

Json row(const char* state, const char* write_date = "2026-11-25 10:00:00") {
    return {{"id", 7}, {"name", "S1"}, {"state", state}, {"write_date", write_date}};
}

Content content(const SourceFile& file, const Json& row) {
    auto made = content_of(file.models.front(), row);
    EXPECT_TRUE(made);
    return std::move(made).value();
}

TEST(Hint, IsWhatOdooPosts) {
    const auto hint = parse_hint(R"j({"_action":"Order(#5)","_id":7,"_model":"sale.order","id":7,)j"
                                 R"("write_date":"2026-11-25T10:00:00.123"})");
    ASSERT_TRUE(hint) << hint.error().text;
    EXPECT_EQ(hint.value().model, "sale.order");
    EXPECT_EQ(hint.value().id, 7);
    EXPECT_EQ(hint.value().write_date, "2026-11-25 10:00:00");
    EXPECT_FALSE(hint.value().is_swept);
}

TEST(Hint, WhatIsNoneIsMalformed) {
    for (const char* const text : {"",
                                   "[]",
                                   "{}",
                                   R"({"_model":"a"})",
                                   R"({"_model":"a","_id":"7"})",
                                   R"({"_model":"a","_id":0})",
                                   R"({"_model":3,"_id":1})",
                                   "\xff"}) {
        const auto hint = parse_hint(text);
        ASSERT_FALSE(hint) << text;
        EXPECT_EQ(hint.error().code, Errc::malformed);
    }
}

TEST(Hint, OfTheSweepIsTheSameForTheSameChange) {
    const Hint seen{
        .model = "sale.order", .id = 7, .write_date = "2026-11-25 10:00:00", .body = {}};
    const auto hint = swept_hint(seen, "one");
    EXPECT_EQ(hint.event_id, "sweep,sale.order,7,2026-11-25 10:00:00,one");
    const auto read = parse_hint(hint.text);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read.value().is_swept);
    EXPECT_EQ(read.value().write_date, "2026-11-25 10:00:00");
}

TEST(Hint, MomentsGoBackOverMidnight) {
    EXPECT_EQ(earlier("2026-03-01 00:00:10", 20), "2026-02-28 23:59:50");
    EXPECT_EQ(whole_seconds("2026-03-01"), "");
    EXPECT_EQ(whole_seconds("soon"), "");
}

TEST(Content, TheEventIsTheFilesAndItsIdTheRecordsAndItsContents) {
    const auto file =
        file_of("    topic: '\"odoo.sale.order.\" + .record.state'\n    key: .record.name\n");
    const auto read = content(file, row("sale"));
    const auto event = event_of(file.models.front(), read);
    ASSERT_TRUE(event) << event.error().text;
    ASSERT_TRUE(event.value());
    EXPECT_EQ(event.value()->topic, "odoo.sale.order.sale");
    EXPECT_EQ(event.value()->key, "S1");
    EXPECT_EQ(event.value()->value, R"({"id":7,"name":"S1","state":"sale"})");
    EXPECT_EQ(event.value()->event_id, "sale.order,7,2026-11-25 10:00:00," + read.hash);
    EXPECT_EQ(read.hash.size(), 32U);
}

TEST(Content, TheHashIsOfTheNamedFieldsAlone) {
    const auto file = file_of("    topic: '\"t\"'\n");
    auto more = row("sale", "2026-11-25 11:00:00");
    more["note"] = "x";
    EXPECT_EQ(content(file, row("sale")).hash, content(file, more).hash);
    EXPECT_NE(content(file, row("sale")).hash, content(file, row("draft")).hash);
}

TEST(Content, WhatComesBackLaterIsAnotherEvent) {
    const auto file = file_of("    topic: '\"t\"'\n");
    const auto& model = file.models.front();
    const auto one = event_of(model, content(file, row("sale")));
    const auto later = event_of(model, content(file, row("sale", "2026-11-25 11:00:00")));
    EXPECT_NE(one.value()->event_id, later.value()->event_id);
}

TEST(Content, WhatIsNotWantedIsNoEventAndAFailureNamesItsPlace) {
    const auto file = file_of(
        "    topic: '\"t\"'\n    only_if: .record.state == \"sale\"\n    key: .record.state | "
        "tonumber\n");
    const auto unwanted = event_of(file.models.front(), content(file, row("draft")));
    ASSERT_TRUE(unwanted);
    EXPECT_FALSE(unwanted.value());
    const auto failed = event_of(file.models.front(), content(file, row("sale")));
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().text, HasSubstr("s.yaml:6: key: "));
}

TEST(Content, ARowWithoutItsIdIsMalformed) {
    const auto file = file_of("    topic: '\"t\"'\n");
    for (const char* const text : {"[]", "{}", R"({"id":"7","write_date":""})", R"({"id":7})"}) {
        EXPECT_FALSE(content_of(file.models.front(), Json::parse(text))) << text;
    }
}

TEST(Remembered, TheOldestGoesFirst) {
    Remembered remembered(2);
    remembered.keep("a", "1");
    remembered.keep("b", "1");
    remembered.keep("a", "2");
    EXPECT_TRUE(remembered.holds("a", "2"));
    EXPECT_FALSE(remembered.holds("a", "1"));
    remembered.keep("c", "1");
    EXPECT_EQ(remembered.size(), 2U);
    EXPECT_FALSE(remembered.holds("a", "2"));
    EXPECT_TRUE(remembered.holds("b", "1"));
}

}  // namespace
}  // namespace millrace::broker::odoo
