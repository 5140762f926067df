#include "broker/odoo/mapping/mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* whole = R"(mappings:
  - topics: [plant1.mes.>]
    when: .value.report == "D"
    event_id: .value.number
    lane: [.value.product]
    steps:
      - name: product
        action: lookup
        model: product.product
        domain: '[["default_code", "=", .value.product]]'
        read: [uom_id]
        missing: "null"
        cache_s: 60
      - name: order
        model: mrp.production
        only_if: .steps.product
        external_id: '"wo_" + .key'
        fields:
          product_id/.id: .steps.product.id
        batch: 50
        linger_ms: 20
      - action: call
        model: mrp.production
        method: button_mark_done
        id: .steps.order.id
        context: {skip_backorder: "true"}
        expect: {state: [done, to_close], priority: 1, is_locked: true}
      - name: scrap
        action: create
        mode: ledger
        model: stock.scrap
        fields: {scrap_qty: .value.rejected}
      - action: call
        mode: ledger
        model: stock.scrap
        method: action_validate
        id: .steps.scrap.id
        expect: {state: done}
)";

TEST(Mapping, ReadsEveryKindOfStep) {
    std::string text = whole;
    text.replace(text.find("[.value.product]"), 16, "'[.value.product]'");
    const auto parsed = parse_mapping("m.yaml", text);
    ASSERT_TRUE(parsed) << parsed.error().text;
    const auto& rule = parsed.value().rules().front();
    EXPECT_TRUE(rule.when && rule.event_id && rule.lane);
    ASSERT_EQ(rule.steps.size(), 5U);
    const auto& lookup = rule.steps[0];
    EXPECT_EQ(lookup.action, Action::lookup);
    EXPECT_TRUE(lookup.may_be_missing);
    EXPECT_THAT(lookup.read, ElementsAre("uom_id"));
    EXPECT_EQ(lookup.cache, std::chrono::seconds(60));
    const auto& order = rule.steps[1];
    EXPECT_EQ(order.action, Action::upsert);
    EXPECT_EQ(order.batch_records_max, 50U);
    EXPECT_EQ(order.linger, std::chrono::milliseconds(20));
    EXPECT_EQ(order.place, "m.yaml:14");
    const auto& done = rule.steps[2];
    EXPECT_EQ(done.expect.dump(),
              R"({"is_locked":[true],"priority":[1],"state":["done","to_close"]})");
    EXPECT_EQ(rule.steps[3].proof, Proof::ledger);
    EXPECT_TRUE(parsed.value().has_ledger());
}

TEST(Mapping, FirstRuleThatMatchesDecides) {
    const auto parsed = parse_mapping("m.yaml", R"(mappings:
  - topics: [a.b, a.c]
    steps: [{model: one, external_id: .key, fields: {name: .key}}]
  - topics: [a.>]
    steps: [{model: two, external_id: .key, fields: {name: .key}}]
)");
    ASSERT_TRUE(parsed) << parsed.error().text;
    const auto& mapping = parsed.value();
    EXPECT_EQ(mapping.rule_of("a.c")->steps.front().model, "one");
    EXPECT_EQ(mapping.rule_of("a.d")->steps.front().model, "two");
    EXPECT_EQ(mapping.rule_of("b.d"), nullptr);
    EXPECT_FALSE(mapping.has_ledger());
}

TEST(Mapping, OfAFeedWithANameOfLimitedLength) {
    const auto parse = [](const std::string& feed) {
        return parse_mapping("m.yaml",
                             "feed: " + feed +
                                 "\nmappings: [{topics: [a], steps: [{model: m, "
                                 "external_id: .key, fields: {name: .key}}]}]");
    };
    const std::string longest(feed_name_bytes_max, 'x');
    ASSERT_TRUE(parse(longest));
    EXPECT_EQ(parse(longest).value().feed(), longest);
    EXPECT_EQ(parse(longest).value().rules().front().feed, longest);
    EXPECT_FALSE(parse(longest + "x"));
}

TEST(MappingFile, ThatCannotBeReadSaysSo) {
    EXPECT_THAT(parse_mapping_file("/nonexistent/m.yaml").error().text, HasSubstr("cannot read"));
}

}  // namespace
}  // namespace millrace::broker::odoo
