#include <algorithm>
#include <array>
#include <functional>

#include "tests/stand_ins/odoo_sim/records/methods.hpp"

// Business methods, with the traps that odoo.md describes: a wizard may come back with nothing
// done.

namespace millrace::stand_ins {
namespace {

Json wizard(const char* model) {
    return {{"type", "ir.actions.act_window"},
            {"res_model", model},
            {"view_mode", "form"},
            {"target", "new"}};
}

std::string state_of(const Database& database, const MethodCall& call, RecordId id) {
    return database.at(call.model, id).values.at("state").get<std::string>();
}

double number_of(const Database& database,
                 const std::string& model,
                 RecordId id,
                 const char* field) {
    return database.at(model, id).values.at(field).get<double>();
}

Json confirm_production(Database& database, const MethodCall& call, RecordId id) {
    if (state_of(database, call, id) == "draft") {
        database.write(call.model, id, {{"state", "confirmed"}});
    }
    return true;  // also for a cancelled order, where nothing happens
}

Json set_quantity(Database& database, const MethodCall& call, RecordId id) {
    database.write(call.model,
                   id,
                   {{"components_used", number_of(database, call.model, id, "qty_producing")}});
    return true;
}

Json finish_production(Database& database, const MethodCall& call, RecordId id) {
    const auto state = state_of(database, call, id);
    if (state == "done") {
        return true;
    }
    if (state == "draft" || state == "cancel") {
        throw user_error("You cannot finish an order that is not confirmed.");
    }
    const auto wanted = number_of(database, call.model, id, "product_qty");
    const auto producing = number_of(database, call.model, id, "qty_producing");
    const bool is_whole = producing == 0 || producing >= wanted;
    const auto backorders = call.context().value("mo_ids_to_backorder", Json::array());
    if (!is_whole && !(call.context().value("skip_backorder", false) &&
                       std::ranges::find(backorders, Json(id)) != backorders.end())) {
        return wizard("mrp.production.backorder");
    }
    Json values{{"state", "done"}, {"qty_produced", is_whole ? wanted : producing}};
    if (is_whole) {
        values["components_used"] = wanted;
    }
    database.write(call.model, id, values);
    return true;
}

Json move_workorder(Database& database, const MethodCall& call, RecordId id) {
    const bool starts = call.method == "button_start";
    if (state_of(database, call, id) != "done") {
        database.write(call.model, id, {{"state", starts ? "progress" : "done"}});
    }
    return true;
}

/// Stock of a product: the sum over its quants.
double on_hand(const Database& database, const Json& product) {
    double sum = 0;
    for (const auto& [id, record] : database.all("stock.quant")) {
        if (record.values.at("product_id") == product) {
            sum += record.values.at("quantity").get<double>();
        }
    }
    return sum;
}

Json validate_scrap(Database& database, const MethodCall& call, RecordId id) {
    const auto& values = database.at(call.model, id).values;
    const auto quantity = values.at("scrap_qty").get<double>();
    const auto product = values.at("product_id");
    if (on_hand(database, product) < quantity) {
        return wizard("stock.warn.insufficient.qty.scrap");
    }
    // A repeat scraps again: only a marker can tell.
    database.write(
        call.model,
        id,
        {{"state", "done"}, {"times_scrapped", values.at("times_scrapped").get<int>() + 1}});
    for (const auto& [quant, record] : database.all("stock.quant")) {
        if (record.values.at("product_id") == product) {
            const auto left = record.values.at("quantity").get<double>() - quantity;
            database.write("stock.quant", quant, {{"quantity", left}});
            break;
        }
    }
    return true;
}

std::vector<RecordId> moves_of(const Database& database, RecordId picking) {
    std::vector<RecordId> moves;
    for (const auto& [id, record] : database.all("stock.move")) {
        if (record.values.at("picking_id") == picking) {
            moves.push_back(id);
        }
    }
    return moves;
}

Json validate_picking(Database& database, const MethodCall& call, RecordId id) {
    if (state_of(database, call, id) == "done") {
        throw user_error("You can not validate a transfer that is already done.");
    }
    double asked = 0;
    double moved = 0;
    for (const auto move : moves_of(database, id)) {
        asked += number_of(database, "stock.move", move, "product_uom_qty");
        moved += number_of(database, "stock.move", move, "quantity");
    }
    for (const auto& [line, record] : database.all("stock.move.line")) {
        if (record.values.at("picking_id") == id && record.values.at("picked") == true) {
            moved += record.values.at("quantity").get<double>();
        }
    }
    if (moved == 0) {
        throw user_error("You cannot validate a transfer if no quantities are reserved.");
    }
    if (moved < asked && !call.context().value("skip_backorder", false)) {
        return wizard("stock.backorder.confirmation");
    }
    database.write(call.model, id, {{"state", "done"}});
    return true;
}

Json assign_picking(Database& database, const MethodCall& call, RecordId id) {
    for (const auto move : moves_of(database, id)) {
        const auto asked = number_of(database, "stock.move", move, "product_uom_qty");
        database.write("stock.move", move, {{"quantity", asked}});
    }
    database.write(call.model, id, {{"state", "assigned"}});
    return true;
}

Json confirm(Database& database, const MethodCall& call, RecordId id, const char* state) {
    if (state_of(database, call, id) == "draft") {
        database.write(call.model, id, {{"state", state}});
    }
    return true;
}

using Action = std::function<Json(Database&, const MethodCall&, RecordId)>;
struct Flow {
    const char* model;
    const char* method;
    Action action;
};

Action to_state(const char* state) {
    return [state](Database& database, const MethodCall& call, RecordId id) {
        return confirm(database, call, id, state);
    };
}

/// A receipt for the lines of an order: a move and an operation each.
void receive_later(Database& database, RecordId order) {
    auto kinds = database.by_name("stock.picking.type", "Receipts");
    if (kinds.empty()) {
        kinds = {database.create("stock.picking.type", {{"name", "Receipts"}})};
    }
    const auto picking =
        database.create("stock.picking",
                        {{"picking_type_id", kinds.front()},
                         {"purchase_id", order},
                         {"origin", database.at("purchase.order", order).values.at("name")},
                         {"state", "assigned"}});
    const auto lines = database.all("purchase.order.line");
    for (const auto& [line, record] : lines) {
        if (record.values.at("order_id") != order) {
            continue;
        }
        const auto product = record.values.at("product_id");
        (void)database.create("stock.move",
                              {{"picking_id", picking},
                               {"product_id", product},
                               {"product_uom_qty", record.values.at("product_qty")}});
        (void)database.create("stock.move.line",
                              {{"picking_id", picking}, {"product_id", product}});
    }
}

Json confirm_purchase(Database& database, const MethodCall& call, RecordId id) {
    if (state_of(database, call, id) == "draft") {
        database.write(call.model, id, {{"state", "purchase"}});
        receive_later(database, id);
    }
    return true;
}

Json win(Database& database, const MethodCall& call, RecordId id) {
    database.write(call.model, id, {{"probability", 100}});
    return true;
}

/// A repeat posts a second message: only a marker can tell.
Json post_message(Database& database, const MethodCall& call, RecordId id) {
    if (!call.has_email) {
        throw user_error("Unable to send message, please configure the sender's email address.");
    }
    return database.create(
        "mail.message",
        {{"model", call.model}, {"res_id", id}, {"body", call.keyword.value("body", Json(""))}});
}

Json apply_inventory(Database& database, const MethodCall& call, RecordId id) {
    const auto counted = number_of(database, call.model, id, "inventory_quantity");
    database.write(call.model, id, {{"quantity", counted}});
    return {};
}

const std::array<Flow, 15>& flows() {
    static const std::array<Flow, 15> table{{
        {"mrp.production", "action_confirm", confirm_production},
        {"mrp.production", "set_qty_producing", set_quantity},
        {"mrp.production", "button_mark_done", finish_production},
        {"mrp.workorder", "button_start", move_workorder},
        {"mrp.workorder", "button_finish", move_workorder},
        {"stock.scrap", "action_validate", validate_scrap},
        {"stock.picking", "action_confirm", to_state("confirmed")},
        {"stock.picking", "action_assign", assign_picking},
        {"stock.picking", "button_validate", validate_picking},
        {"sale.order", "action_confirm", to_state("sale")},
        {"purchase.order", "button_confirm", confirm_purchase},
        {"crm.lead", "action_set_won", win},
        {"stock.picking", "message_post", post_message},
        {"purchase.order", "message_post", post_message},
        {"stock.quant", "action_apply_inventory", apply_inventory},
    }};
    return table;
}

}  // namespace

bool run_flow(Database& database, const MethodCall& call, Json& result) {
    const auto flow = std::ranges::find_if(flows(), [&](const Flow& one) {
        return call.model == one.model && call.method == one.method;
    });
    if (flow == flows().end()) {
        return false;
    }
    result = true;
    const auto before = database.mark();
    for (const auto id : call.ids()) {
        database.need(call.model, id);
        const auto planned = database.take_plan(call.model + "." + call.method);
        if (planned && planned->error) {
            throw OdooError(*planned->error);
        }
        result = planned ? wizard(flow->model) : flow->action(database, call, id);
        if (result.is_object() && call.ids().size() > 1) {
            database.roll_back_to(before);  // the wizard is for all, and nothing is done for any
            return true;
        }
    }
    return true;
}

Json create_quant(Database& database, const MethodCall& call, Json values) {
    const auto counted = values.find("inventory_quantity_auto_apply");
    if (counted == values.end()) {
        return database.create(call.model, values);
    }
    values["quantity"] = *counted;
    for (const auto& [id, record] : database.all(call.model)) {
        const bool is_same =
            record.values.at("product_id") == values.value("product_id", Json()) &&
            record.values.at("location_id") == values.value("location_id", Json()) &&
            record.values.at("lot_id") == values.value("lot_id", Json(false));
        if (is_same && call.context().value("inventory_mode", false)) {
            database.write(call.model, id, values);
            return id;
        }
    }
    return database.create(call.model, values);
}

}  // namespace millrace::stand_ins
