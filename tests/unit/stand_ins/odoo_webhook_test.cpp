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

class OdooTransactions : public testing::Test {
  protected:
    OdooTransactions() : odoo({.latency = Latency::measured}) {
        partner = odoo.create("res.partner", {{"name", "old"}});
    }
    Json name() { return odoo.value_of("res.partner", partner, "name"); }
    Json found(const char* wanted) {
        return odoo.call(
            "res.partner", "search_count", list({list({list({"name", "=", wanted})})}));
    }
    Json written_at() { return odoo.value_of("res.partner", partner, "write_date"); }
    [[nodiscard]] Json writing(const Json& values) const {
        return OdooCalls::arguments("res.partner", "write", list({list({partner}), values}));
    }

    OdooCalls odoo;
    Json partner;
};

TEST_F(OdooTransactions, ChangesAreSeenAtTheEndWithTheDateOfTheStart) {
    const auto before = written_at();
    odoo.clock.advance(std::chrono::seconds(10));
    const auto write = odoo.execute(writing({{"name", "new"}}));
    EXPECT_GT(write.busy.count(), 0);
    odoo.clock.advance(std::chrono::seconds(5));
    const auto later = odoo.create("res.partner", {{"name", "later"}});
    EXPECT_EQ(name(), "old");
    EXPECT_EQ(found("old"), 1);
    EXPECT_EQ(found("new"), 0);
    EXPECT_EQ(written_at(), before);
    (void)odoo.simulator.end(write);
    EXPECT_EQ(name(), "new");
    EXPECT_EQ(found("old"), 0);
    EXPECT_GT(written_at(), before);
    EXPECT_LT(written_at(), odoo.value_of("res.partner", later, "write_date"))
        << "older than what was seen before it";
}

TEST_F(OdooTransactions, NewRecordAndItsNameAreNotThereBeforeTheEnd) {
    const auto load = odoo.execute(OdooCalls::arguments(
        "res.partner", "load", list({list({"id", "name"}), list({list({"m.new", "new"})})})));
    const auto id = OdooCalls::result_of(load).at("ids").at(0);
    const auto reference = list({"m", "new"});
    EXPECT_EQ(odoo.call("res.partner", "read", on(id)), Json::array());
    EXPECT_EQ(odoo.error_of("ir.model.data", "check_object_reference", reference),
              "builtins.ValueError");
    (void)odoo.simulator.end(load);
    EXPECT_EQ(odoo.value_of("res.partner", id, "name"), "new");
    EXPECT_EQ(odoo.call("ir.model.data", "check_object_reference", reference),
              list({"res.partner", id}));
}

TEST_F(OdooTransactions, WhatEndsIsThereUntilThen) {
    const auto end = odoo.execute(OdooCalls::arguments("res.partner", "unlink", on(partner)));
    EXPECT_EQ(name(), "old");
    (void)odoo.simulator.end(end);
    EXPECT_EQ(odoo.call("res.partner", "read", on(partner)), Json::array());
}

TEST_F(OdooTransactions, ControlMakesOneThatTakesItsTime) {
    odoo.clock.advance(std::chrono::seconds(10));
    const auto other = odoo.create("res.partner", {{"name", "other"}});
    (void)odoo.control("write",
                       {{"model", "res.partner"},
                        {"id", partner},
                        {"values", {{"name", "new"}}},
                        {"takes_ms", 3'000}});
    odoo.clock.advance(std::chrono::milliseconds(2'999));
    EXPECT_EQ(name(), "old");
    odoo.clock.advance(std::chrono::milliseconds(1));
    EXPECT_EQ(name(), "new");
    EXPECT_EQ(written_at(), odoo.value_of("res.partner", other, "write_date")) << "its start";
}

TEST(OdooLocks, OneThatHasChangedTheSameWaitsForTheOneBeforeIt) {
    OdooCalls odoo;
    const auto load = [&] {
        return odoo.execute(OdooCalls::arguments(
            "res.partner", "load", list({list({"id", "name"}), list({list({"m.new", "new"})})})));
    };
    odoo.simulator.set_mode(Mode::slow, 1, std::chrono::milliseconds(0));
    const auto first = load();
    odoo.simulator.set_mode(Mode::up, 1, std::chrono::milliseconds(0));
    const auto second = load();
    EXPECT_GT(odoo.simulator.end(second).count(), 0) << "who sends it again gets no id too early";
    EXPECT_EQ(odoo.simulator.end(first).count(), 0);
    EXPECT_EQ(odoo.simulator.end(second).count(), 0);
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 1);
}

}  // namespace
}  // namespace millrace::stand_ins
