#include <gtest/gtest.h>

#include "tests/unit/stand_ins/odoo_calls.hpp"

// Business flows of the stand-in, call by call as they were measured on a real Odoo 18.

namespace millrace::stand_ins {
namespace {

Json product_of(OdooCalls& odoo) {
    return odoo.create("product.product", {{"name", "Cable Head"}});
}

Json confirmed_order(OdooCalls& odoo, double quantity) {
    auto order = odoo.create("mrp.production",
                             {{"product_id", product_of(odoo)}, {"product_qty", quantity}});
    (void)odoo.call("mrp.production", "action_confirm", on(order));
    return order;
}

TEST(OdooFlows, OrderIsDoneInFullAndARepeatDoesNotBookTwice) {
    OdooCalls odoo;
    const auto order = confirmed_order(odoo, 10);
    EXPECT_EQ(odoo.call("mrp.production", "action_confirm", on(order)), true);
    for (int times = 0; times < 2; ++times) {
        EXPECT_EQ(odoo.call("mrp.production", "button_mark_done", on(order)), true);
        EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "done");
        EXPECT_EQ(odoo.value_of("mrp.production", order, "qty_produced"), 10);
    }
}

TEST(OdooFlows, OrderWithALotIsDoneInFull) {
    OdooCalls odoo;
    const auto order = confirmed_order(odoo, 10);
    const auto product = odoo.value_of("mrp.production", order, "product_id").at(0);
    const auto lot = odoo.create("stock.lot", {{"name", "L-1"}, {"product_id", product}});
    (void)odoo.call("mrp.production",
                    "write",
                    list({list({order}), {{"lot_producing_id", lot}, {"qty_producing", 10}}}));
    EXPECT_EQ(odoo.call("mrp.production", "button_mark_done", on(order)), true);
    EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "done");
    EXPECT_EQ(odoo.value_of("mrp.production", order, "qty_produced"), 10);
    EXPECT_EQ(odoo.value_of("mrp.production", order, "lot_producing_id"), list({lot, "L-1"}));
}

TEST(OdooFlows, ConfirmOfACancelledOrderIsTrueWithoutEffect) {
    OdooCalls odoo;
    const auto order = confirmed_order(odoo, 1);
    (void)odoo.call("mrp.production", "write", list({list({order}), {{"state", "cancel"}}}));
    EXPECT_EQ(odoo.call("mrp.production", "action_confirm", on(order)), true);
    EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "cancel");
}

TEST(OdooFlows, PartOfAnOrderAsksWithAWizardAndHasDoneNothing) {
    OdooCalls odoo;
    const auto order = confirmed_order(odoo, 10);
    (void)odoo.call("mrp.production", "write", list({list({order}), {{"qty_producing", 6}}}));
    const auto answer = odoo.call("mrp.production", "button_mark_done", on(order));
    EXPECT_EQ(answer.at("type"), "ir.actions.act_window");
    EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "confirmed");
}

TEST(OdooFlows, WizardForOneOfSeveralOrdersHasDoneNothingForAny) {
    OdooCalls odoo;
    const auto whole = confirmed_order(odoo, 10);
    const auto part = confirmed_order(odoo, 10);
    (void)odoo.call("mrp.production", "write", list({list({part}), {{"qty_producing", 6}}}));
    const auto both = list({list({whole, part})});
    EXPECT_TRUE(odoo.call("mrp.production", "button_mark_done", both).is_object());
    EXPECT_EQ(odoo.value_of("mrp.production", whole, "state"), "confirmed");
    EXPECT_EQ(odoo.value_of("mrp.production", part, "state"), "confirmed");
}

TEST(OdooFlows, PartOfAnOrderWithoutTheMiddleCallUsesNoComponents) {
    OdooCalls odoo;
    const auto finish = [&](bool sets_quantity) {
        const auto order = confirmed_order(odoo, 10);
        (void)odoo.call("mrp.production", "write", list({list({order}), {{"qty_producing", 6}}}));
        if (sets_quantity) {
            (void)odoo.call("mrp.production", "set_qty_producing", on(order));
        }
        const Json context{{"skip_backorder", true}, {"mo_ids_to_backorder", list({order})}};
        EXPECT_EQ(
            odoo.call("mrp.production", "button_mark_done", on(order), {{"context", context}}),
            true);
        EXPECT_EQ(odoo.value_of("mrp.production", order, "state"), "done");
        EXPECT_EQ(odoo.value_of("mrp.production", order, "qty_produced"), 6);
        return odoo.value_of("mrp.production", order, "components_used");
    };
    EXPECT_EQ(finish(true), 6);
    EXPECT_EQ(finish(false), 0);
}

TEST(OdooFlows, WorkOrdersStartAndFinishOnceThoughAskedTwice) {
    OdooCalls odoo;
    const auto order = confirmed_order(odoo, 1);
    const auto center = odoo.create("mrp.workcenter", {{"name", "Press"}});
    const auto work = odoo.create(
        "mrp.workorder", {{"name", "W"}, {"production_id", order}, {"workcenter_id", center}});
    EXPECT_EQ(odoo.value_of("mrp.production", order, "workorder_ids"), list({work}));
    for (const char* method :
         {"button_start", "button_start", "button_finish", "button_finish", "button_start"}) {
        EXPECT_EQ(odoo.call("mrp.workorder", method, on(work)), true);
    }
    EXPECT_EQ(odoo.value_of("mrp.workorder", work, "state"), "done");
}

TEST(OdooFlows, CountIsRepeatSafeOnlyInInventoryMode) {
    OdooCalls odoo;
    const auto product = product_of(odoo);
    const auto shelf = odoo.create("stock.location", {{"name", "Shelf"}});
    const Json count{
        {"product_id", product}, {"location_id", shelf}, {"inventory_quantity_auto_apply", 40}};
    const Json mode{{"context", {{"inventory_mode", true}}}};
    const auto first = odoo.call("stock.quant", "create", list({count}), mode);
    EXPECT_EQ(odoo.call("stock.quant", "create", list({count}), mode), first);
    EXPECT_EQ(odoo.call("stock.quant", "search_count", list({Json::array()})), 1);
    EXPECT_NE(odoo.call("stock.quant", "create", list({count})), first);
    EXPECT_EQ(odoo.call("stock.quant", "search_count", list({Json::array()})), 2);
}

TEST(OdooFlows, ScrapTwiceScrapsTwiceAndWithoutStockDoesNothing) {
    OdooCalls odoo;
    const auto product = product_of(odoo);
    const auto shelf = odoo.create("stock.location", {{"name", "Shelf"}});
    const auto scrap = odoo.create("stock.scrap", {{"product_id", product}, {"scrap_qty", 3}});
    EXPECT_TRUE(odoo.call("stock.scrap", "action_validate", on(scrap)).is_object());
    EXPECT_EQ(odoo.value_of("stock.scrap", scrap, "state"), "draft");
    const auto quant = odoo.create(
        "stock.quant",
        {{"product_id", product}, {"location_id", shelf}, {"inventory_quantity_auto_apply", 10}});
    EXPECT_EQ(odoo.call("stock.scrap", "action_validate", on(scrap)), true);
    EXPECT_EQ(odoo.call("stock.scrap", "action_validate", on(scrap)), true);
    EXPECT_EQ(odoo.value_of("stock.quant", quant, "quantity"), 4);
}

TEST(OdooFlows, CountIsAppliedAndAButtonThatAsksHasDoneNothing) {
    OdooCalls odoo;
    const auto quant = odoo.create("stock.quant",
                                   {{"product_id", product_of(odoo)},
                                    {"location_id", odoo.create("stock.location", {{"name", "S"}})},
                                    {"inventory_quantity", 40}});
    const auto apply = [&] {
        return odoo.call("stock.quant", "action_apply_inventory", on(quant));
    };
    (void)odoo.control(
        "next", {{"model", "stock.quant"}, {"method", "action_apply_inventory"}, {"wizard", true}});
    EXPECT_EQ(apply().at("type"), "ir.actions.act_window");
    EXPECT_EQ(odoo.value_of("stock.quant", quant, "quantity"), 0);
    EXPECT_TRUE(apply().is_null());
    EXPECT_EQ(odoo.value_of("stock.quant", quant, "quantity"), 40);
}

class OdooReceipt : public ::testing::Test {
  protected:
    OdooReceipt() {
        const Json line{{"product_id", product_of(odoo)}, {"product_qty", 40}};
        const auto order =
            odoo.create("purchase.order",
                        {{"partner_id", odoo.create("res.partner", {{"name", "Vendor"}})},
                         {"order_line", list({list({0, 0, line})})}});
        (void)odoo.call("purchase.order", "button_confirm", on(order));
        const auto pickings = odoo.value_of("purchase.order", order, "picking_ids");
        EXPECT_EQ(pickings.size(), 1U);
        picking = pickings.at(0);
    }
    void fill(const Json& values) {
        for (const auto& line : odoo.value_of("stock.picking", picking, "move_line_ids")) {
            (void)odoo.call("stock.move.line", "write", list({list({line}), values}));
        }
    }
    Json validate(const Json& context = Json::object()) {
        return odoo.call("stock.picking", "button_validate", on(picking), {{"context", context}});
    }
    Json state() { return odoo.value_of("stock.picking", picking, "state"); }

    OdooCalls odoo;
    Json picking;
};

TEST_F(OdooReceipt, IsValidatedOnceWithTheLotsOfItsLines) {
    fill({{"lot_name", "L-1"}, {"quantity", 40}, {"picked", true}});
    EXPECT_EQ(validate(), true);
    EXPECT_EQ(state(), "done");
    EXPECT_EQ(odoo.error_of("stock.picking", "button_validate", on(picking)),
              "odoo.exceptions.UserError");
}

TEST_F(OdooReceipt, InPartAsksUnlessToldToSkip) {
    fill({{"quantity", 30}, {"picked", true}});
    EXPECT_EQ(validate().at("type"), "ir.actions.act_window");
    EXPECT_EQ(state(), "assigned");
    EXPECT_EQ(validate({{"skip_backorder", true}}), true);
    EXPECT_EQ(state(), "done");
}

class OdooPicking : public ::testing::Test {
  protected:
    OdooPicking() {
        const auto kind = odoo.create("stock.picking.type", {{"name", "Receipts"}});
        const Json move{
            {"name", "heads"}, {"product_id", product_of(odoo)}, {"product_uom_qty", 30}};
        picking = odoo.create(
            "stock.picking", {{"picking_type_id", kind}, {"move_ids", list({list({0, 0, move})})}});
        moved = odoo.value_of("stock.picking", picking, "move_ids").at(0);
    }
    Json run(const char* method, const Json& keyword = Json::object()) {
        return odoo.call("stock.picking", method, on(picking), keyword);
    }

    OdooCalls odoo;
    Json picking;
    Json moved;
};

TEST_F(OdooPicking, ValidatedTwiceIsAUserError) {
    EXPECT_EQ(run("action_confirm"), true);
    EXPECT_EQ(run("action_assign"), true);
    EXPECT_EQ(run("button_validate"), true);
    EXPECT_EQ(odoo.value_of("stock.picking", picking, "state"), "done");
    EXPECT_EQ(odoo.error_of("stock.picking", "button_validate", on(picking)),
              "odoo.exceptions.UserError");
}

TEST_F(OdooPicking, InPartAsksUnlessToldToSkip) {
    (void)odoo.call(
        "stock.move", "write", list({list({moved}), {{"quantity", 12}, {"picked", true}}}));
    EXPECT_TRUE(run("button_validate").is_object());
    EXPECT_NE(odoo.value_of("stock.picking", picking, "state"), "done");
    EXPECT_EQ(run("button_validate", {{"context", {{"skip_backorder", true}}}}), true);
    EXPECT_EQ(odoo.value_of("stock.picking", picking, "state"), "done");
}

TEST(OdooFlows, SaleAndPurchaseAreConfirmedOnce) {
    OdooCalls odoo;
    const auto partner = odoo.create("res.partner", {{"name", "Shop"}});
    const auto sale = odoo.create("sale.order", {{"partner_id", partner}});
    const auto purchase = odoo.create("purchase.order", {{"partner_id", partner}});
    (void)odoo.call("sale.order", "action_confirm", on(sale));
    (void)odoo.call("purchase.order", "button_confirm", on(purchase));
    EXPECT_EQ(odoo.value_of("sale.order", sale, "state"), "sale");
    EXPECT_EQ(odoo.value_of("purchase.order", purchase, "state"), "purchase");
}

TEST(OdooFlows, FailedCallLeavesNothingBehind) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.error_of(
                  "res.partner", "create", list({list({{{"name", "A"}}, {{"email", "no name"}}})})),
              "odoo.exceptions.ValidationError");
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 0);
}

}  // namespace
}  // namespace millrace::stand_ins
