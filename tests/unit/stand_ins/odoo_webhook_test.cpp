#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/stand_ins/odoo_calls.hpp"

// The contract with the measured server about webhooks and `write_date`.

namespace millrace::stand_ins {
namespace {

class OdooWebhooks : public testing::Test {
  protected:
    OdooWebhooks() {
        odoo.simulator.use_webhooks([this](const std::string& url, const std::string& body) {
            EXPECT_EQ(url, "http://127.0.0.1:1/x");
            posts.push_back(Json::parse(body));
            seen_by_others.push_back(odoo.simulator.database().journal().size());
        });
        partner = odoo.create("res.partner", {{"name", "P"}}).get<RecordId>();
        journal = odoo.simulator.database().journal().size();
    }
    void listen(const Json& more = Json::object()) {
        Json body{{"model", "sale.order"}, {"url", "http://127.0.0.1:1/x"}, {"fields", {"state"}}};
        body.update(more);
        const auto reply = odoo.simulator.answer(
            {.method = "POST", .target = "/sim/webhooks", .content_type = {}, .body = body.dump()});
        EXPECT_EQ(reply.status, 200U) << reply.body;
    }
    [[nodiscard]] Json order(int lines) const {
        Json rows = Json::array();
        for (int line = 0; line < lines; ++line) {
            rows.push_back(list({0, 0, {{"name", "line"}}}));
        }
        return {{"partner_id", partner}, {"order_line", rows}};
    }

    OdooCalls odoo;
    std::vector<Json> posts;
    std::vector<std::size_t> seen_by_others;
    RecordId partner = 0;
    std::size_t journal = 0;
};

TEST_F(OdooWebhooks, ACreationPostsTwelveToTwentyEightTimesBeforeItCommits) {
    listen();
    (void)odoo.create("sale.order", order(0));
    EXPECT_EQ(posts.size(), 12U);
    (void)odoo.create("sale.order", order(9));
    EXPECT_EQ(posts.size(), 12U + 28U);
    EXPECT_EQ(seen_by_others.front(), journal) << "nothing of it is committed yet";
    EXPECT_EQ(posts.front().at("_model"), "sale.order");
    EXPECT_EQ(posts.front().at("_id"), posts.front().at("id"));
    EXPECT_TRUE(posts.front().at("_action").is_string());
    EXPECT_EQ(posts.front().at("state"), "draft");
}

TEST_F(OdooWebhooks, TriggerFieldsMakeItOnePost) {
    listen({{"trigger_fields", true}});
    (void)odoo.create("sale.order", order(3));
    EXPECT_EQ(posts.size(), 1U);
}

TEST_F(OdooWebhooks, ATransactionThatIsRolledBackHasPosted) {
    listen();
    const auto both = list({order(0), {{"no_such_field", 1}}});
    EXPECT_EQ(odoo.error_of("sale.order", "create", list({both})), "builtins.ValueError");
    EXPECT_EQ(posts.size(), 12U);
    EXPECT_TRUE(odoo.simulator.database().all("sale.order").empty());
}

TEST_F(OdooWebhooks, AnEndIsPostedWhileTheRecordIsStillThere) {
    listen({{"on_unlink", true}, {"action", "Order deleted"}});
    const auto id = odoo.create("sale.order", order(0)).get<RecordId>();
    EXPECT_TRUE(posts.empty());
    odoo.simulator.database().begin();
    odoo.simulator.database().unlink("sale.order", id);
    odoo.simulator.database().commit();
    ASSERT_EQ(posts.size(), 1U);
    EXPECT_EQ(posts.front().at("_action"), "Order deleted(#5)");
}

TEST_F(OdooWebhooks, WriteDateIsToldInWholeSecondsAndKeptFiner) {
    const auto id = odoo.create("sale.order", order(0)).get<RecordId>();
    const auto kept =
        odoo.simulator.database().at("sale.order", id).values.at("write_date").get<std::string>();
    EXPECT_EQ(kept.size(), std::string("2026-11-25 10:00:00.123456").size());
    const auto told = odoo.value_of("sale.order", id, "write_date").get<std::string>();
    EXPECT_EQ(told, kept.substr(0, 19));
}

}  // namespace
}  // namespace millrace::stand_ins
