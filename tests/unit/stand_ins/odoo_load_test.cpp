#include <gtest/gtest.h>

#include "tests/unit/stand_ins/odoo_calls.hpp"

// `load` in the stand-in, with the traps that were measured on a real Odoo 18.

namespace millrace::stand_ins {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Json load(OdooCalls& odoo, const char* model, const Json& columns, const Rows& rows) {
    return odoo.call(model, "load", list({columns, rows}), {{"context", {{"tz", "UTC"}}}});
}

const Json id_and_name = list({"id", "name"});

TEST(OdooLoad, RepeatGivesTheSameIdsAndOverwrites) {
    OdooCalls odoo;
    const auto first = load(odoo, "res.partner", id_and_name, {{"millrace.evt_1", "A"}});
    EXPECT_EQ(first.at("messages"), Json::array());
    EXPECT_EQ(first.at("nextrow"), 0);
    const auto again = load(odoo, "res.partner", id_and_name, {{"millrace.evt_1", "B"}});
    EXPECT_EQ(first.at("ids"), again.at("ids"));
    EXPECT_EQ(odoo.value_of("res.partner", first.at("ids").at(0), "name"), "B");
}

TEST(OdooLoad, OneBadRowUndoesTheWholeCallAsAResult) {
    OdooCalls odoo;
    const auto answer = load(odoo,
                             "res.partner",
                             list({"id", "name", "parent_id"}),
                             {{"a", "A", ""}, {"b", "B", "Nobody"}, {"c", "C", ""}});
    EXPECT_EQ(answer.at("ids"), false);
    const auto& message = answer.at("messages").at(0);
    EXPECT_EQ(message.at("rows"), Json({{"from", 1}, {"to", 1}}));
    EXPECT_EQ(message.at("record"), 1);
    EXPECT_EQ(message.at("field"), "parent_id");
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 0);
}

TEST(OdooLoad, ReportsAboutTenRowsAndNoMore) {
    OdooCalls odoo;
    const auto answer = load(odoo, "res.partner", id_and_name, Rows(50, {"", ""}));
    EXPECT_EQ(answer.at("messages").size(), 10U);
}

TEST(OdooLoad, UndoneCallLeavesEarlierRecordsAsTheyWere) {
    OdooCalls odoo;
    const auto id = load(odoo, "res.partner", id_and_name, {{"a", "A"}}).at("ids").at(0);
    EXPECT_EQ(load(odoo, "res.partner", id_and_name, {{"a", "changed"}, {"b", ""}}).at("ids"),
              false);
    EXPECT_EQ(odoo.value_of("res.partner", id, "name"), "A");
    EXPECT_EQ(load(odoo, "res.partner", id_and_name, {{"a", "A2"}}).at("ids").at(0), id);
}

TEST(OdooLoad, SameIdTwiceInACallIsOneRecordAndTheLastWins) {
    OdooCalls odoo;
    const auto answer = load(odoo, "res.partner", id_and_name, {{"a", "first"}, {"a", "last"}});
    EXPECT_EQ(answer.at("ids").at(0), answer.at("ids").at(1));
    EXPECT_EQ(odoo.value_of("res.partner", answer.at("ids").at(0), "name"), "last");
}

TEST(OdooLoad, EmptyCellWritesNull) {
    OdooCalls odoo;
    const Json columns = list({"id", "name", "email"});
    const auto id = load(odoo, "res.partner", columns, {{"a", "A", "a@b"}}).at("ids").at(0);
    (void)load(odoo, "res.partner", columns, {{"a", "A", ""}});
    EXPECT_EQ(odoo.value_of("res.partner", id, "email"), false);
}

TEST(OdooLoad, RelationsAreNamedByNameExternalIdOrDatabaseId) {
    OdooCalls odoo;
    const auto product = odoo.create("product.product", {{"name", "Nut"}});
    (void)load(odoo, "product.product", id_and_name, {{"plm.bolt", "Bolt"}});
    const auto lot = [&](const char* column, const std::string& cell) {
        return load(odoo, "stock.lot", list({"name", column}), {{"L", cell}});
    };
    EXPECT_TRUE(lot("product_id", "Nut").at("ids").is_array());
    EXPECT_TRUE(lot("product_id/id", "plm.bolt").at("ids").is_array());
    EXPECT_TRUE(lot("product_id/.id", product.dump()).at("ids").is_array());
    EXPECT_EQ(lot("product_id", "Gear").at("messages").at(0).at("message"),
              "No matching record found for name 'Gear' in field 'Product'");
    EXPECT_EQ(lot("product_id/id", "plm.gear").at("ids"), false);
    EXPECT_EQ(lot("product_id/.id", "999").at("ids"), false);
}

TEST(OdooLoad, UnknownColumnIsAnErrorOfTheWholeCall) {
    OdooCalls odoo;
    EXPECT_EQ(
        odoo.error_of("res.partner", "load", list({list({"id", "no_such"}), Rows{{"a", "b"}}})),
        "builtins.ValueError");
}

TEST(OdooLoad, RequiredAndTypedCellsAreCheckedByRow) {
    OdooCalls odoo;
    const auto refused =
        load(odoo, "res.partner", list({"name", "color"}), {{"A", "1"}, {"B", "red"}});
    EXPECT_EQ(refused.at("messages").at(0).at("record"), 1);
    EXPECT_EQ(refused.at("messages").at(0).at("field"), "color");
    EXPECT_EQ(load(odoo, "res.partner", list({"name"}), Rows(1, {""})).at("ids"), false);
}

TEST(OdooLoad, ExternalIdIsFoundWithoutAdministrator) {
    OdooCalls odoo;
    const auto id = load(odoo, "res.partner", id_and_name, {{"millrace.evt_1", "A"}});
    EXPECT_EQ(odoo.call("ir.model.data", "check_object_reference", list({"millrace", "evt_1"})),
              list({"res.partner", id.at("ids").at(0)}));
    EXPECT_EQ(odoo.error_of("ir.model.data", "check_object_reference", list({"millrace", "evt_2"})),
              "builtins.ValueError");
}

/// How many of six loads at a time of one new id see a conflict.
int conflicts_of_six(std::uint64_t seed) {
    OdooCalls odoo({.latency = Latency::measured, .seed = seed});
    std::vector<HttpReply> replies(6);
    for (auto& reply : replies) {
        reply = odoo.execute(
            OdooCalls::arguments("res.partner", "load", list({id_and_name, Rows{{"m.new", "A"}}})));
    }
    int conflicts = 0;
    for (const auto& reply : replies) {
        const auto answer = OdooCalls::result_of(reply);
        if (answer.at("ids") == false) {
            ++conflicts;
            EXPECT_EQ(answer.at("messages").at(0).at("message"),
                      "could not serialize access due to concurrent update");
        }
        odoo.end(reply);
    }
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 1);
    return conflicts;
}

TEST(OdooLoad, OfSixParallelLoadsOfOneNewIdSomeSeeAConflictAndOneRecordIsMade) {
    constexpr std::uint64_t trials = 50;
    double conflicts = 0;
    for (std::uint64_t seed = 1; seed <= trials; ++seed) {
        conflicts += conflicts_of_six(seed);
    }
    EXPECT_NEAR(conflicts / trials, 2, 1);
}

TEST(OdooLoad, LateReplayOverwritesEvenTheQuantityOfAFinishedOrder) {
    OdooCalls odoo;
    (void)odoo.create("product.product", {{"name", "Nut"}});
    const auto replay = [&](const char* quantity) {
        return load(odoo,
                    "mrp.production",
                    list({"id", "product_id", "product_qty"}),
                    {{"mes.1", "Nut", quantity}})
            .at("ids")
            .at(0);
    };
    const auto order = replay("10");
    (void)odoo.call("mrp.production", "action_confirm", on(order));
    (void)odoo.call("mrp.production", "button_mark_done", on(order));
    EXPECT_EQ(replay("7"), order);
    EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "done");
    EXPECT_EQ(odoo.value_of("mrp.production", order, "product_qty"), 7);
}

TEST(OdooLoad, MomentsAreOfTheUsersZoneUnlessTheCallSaysUtc) {
    OdooCalls odoo;
    (void)odoo.create("res.partner", {{"name", "Shop"}});
    (void)odoo.control("user", {{"utc_offset_minutes", 120}});
    const auto ordered_at = [&](const Json& context) {
        const auto ids = odoo.call("sale.order",
                                   "load",
                                   list({list({"partner_id", "date_order"}),
                                         Rows{{"Shop", "2026-03-01 01:30:00"}}}),
                                   {{"context", context}})
                             .at("ids");
        return odoo.value_of("sale.order", ids.at(0), "date_order");
    };
    EXPECT_EQ(ordered_at({{"tz", "UTC"}}), "2026-03-01 01:30:00");
    EXPECT_EQ(ordered_at(Json::object()), "2026-02-28 23:30:00");
    const auto created =
        odoo.create("sale.order", {{"partner_id", 1}, {"date_order", "2026-03-01 01:30:00"}});
    EXPECT_EQ(odoo.value_of("sale.order", created, "date_order"), "2026-03-01 01:30:00");
}

TEST(OdooLoad, CountsCallsThatForgetTheTimeZone) {
    OdooCalls odoo;
    (void)load(odoo, "res.partner", id_and_name, {{"a", "A"}});
    (void)odoo.call("res.partner", "load", list({id_and_name, Rows{{"b", "B"}}}));
    const auto stats = odoo.simulator.answer({.method = "GET", .target = "/sim/stats"});
    EXPECT_EQ(Json::parse(stats.body).at("loads_without_utc"), 1);
}

}  // namespace
}  // namespace millrace::stand_ins
