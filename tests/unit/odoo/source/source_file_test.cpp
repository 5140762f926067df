#include "broker/odoo/source/source_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using ::testing::HasSubstr;

constexpr const char* orders = R"(models:
  - model: sale.order
    fields: [name, state]
    topic: '"odoo.sale.order." + .record.state'
)";

std::string error_of(const std::string& text) {
    const auto file = parse_source_file("s.yaml", text);
    return file ? "" : file.error().text;
}

TEST(SourceFile, ASmallOneHasTheUsualRules) {
    const auto file = parse_source_file("s.yaml", orders);
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(file.value().hints.topic, "odoo.hints");
    EXPECT_EQ(file.value().sweep.overlap, std::chrono::seconds(600));
    ASSERT_NE(file.value().model("sale.order"), nullptr);
    EXPECT_TRUE(file.value().model("sale.order")->is_swept);
    EXPECT_EQ(file.value().model("sale.order")->place, "s.yaml:2");
    EXPECT_EQ(file.value().model("stock.picking"), nullptr);
}

TEST(SourceFile, AWholeOneIsRead) {
    const auto file = parse_source_file(
        "s.yaml", R"(hints: {topic: plant.hints, subscription: s-1, read_after_ms: 0, wait_max_s: 9}
sweep: {interval_s: 5, overlap_s: 7, page_records: 2, from: beginning}
models:
  - model: sale.order
    fields: [name]
    only_if: .record.name != false
    topic: '"a"'
    key: .record.name
    value: '{n: .record.name}'
    domain: '[["company_id", "=", 1]]'
    sweep: false
    deleted: {when: '.hint._action == "gone"', topic: '"a.deleted"'}
)");
    ASSERT_TRUE(file) << file.error().text;
    const auto& read = file.value();
    EXPECT_EQ(read.hints.subscription, "s-1");
    EXPECT_EQ(read.hints.read_after.count(), 0);
    EXPECT_EQ(read.sweep.page_records, 2U);
    EXPECT_TRUE(read.sweep.begins_at_beginning);
    EXPECT_FALSE(read.models.front().is_swept);
    EXPECT_TRUE(read.models.front().deleted);
    EXPECT_EQ(read.models.front().domain.dump(), R"([["company_id","=",1]])");
}

TEST(SourceFile, WhatIsWrongIsNamedWithItsPlaceAndAHint) {
    EXPECT_THAT(error_of("model: []"), HasSubstr("did you mean \"models\"?"));
    EXPECT_THAT(error_of("models: []"), HasSubstr("s.yaml:1: \"models\" takes a list"));
    EXPECT_THAT(error_of("models:\n  - model: a\n    fields: [n]\n"),
                HasSubstr("s.yaml:2: \"topic\" is missing"));
    EXPECT_THAT(error_of("models:\n  - model: a\n    topic: '\"t\"'\n"), HasSubstr("\"fields\""));
    EXPECT_THAT(error_of(std::string(orders) + "    key: .record.[\n"),
                HasSubstr("s.yaml:5: key: not a jq program"));
    EXPECT_THAT(error_of(std::string(orders) + "    domain: '1'\n"), HasSubstr("s.yaml:5: domain"));
    EXPECT_THAT(error_of(std::string(orders) + "    deleted: {when: 'true'}\n"),
                HasSubstr("s.yaml:5: \"deleted\" takes"));
    EXPECT_THAT(error_of("sweep: {interval_s: 0}\n" + std::string(orders)),
                HasSubstr("interval_s takes a number from 1"));
    EXPECT_THAT(error_of("sweep: {from: yesterday}\n" + std::string(orders)),
                HasSubstr("from takes now or beginning"));
    EXPECT_THAT(error_of("hints: {topic: 'a b'}\n" + std::string(orders)),
                HasSubstr("no name of a topic"));
    EXPECT_THAT(error_of(std::string(orders) + std::string(orders).substr(8)),
                HasSubstr("stands here twice"));
    EXPECT_THAT(error_of(std::string(orders) + "    topic: '\"b\"'\n"),
                HasSubstr("s.yaml:5: \"topic\" stands in this map already, on line 4"));
    EXPECT_THAT(error_of("models: ["), HasSubstr("s.yaml:"));
}

}  // namespace
}  // namespace millrace::broker::odoo
