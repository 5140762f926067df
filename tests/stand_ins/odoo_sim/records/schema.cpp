#include "tests/stand_ins/odoo_sim/records/schema.hpp"

#include <utility>

namespace millrace::stand_ins {
namespace {

using Fields = std::map<std::string, Field>;

Field text(const char* label) {
    return {.type = FieldType::text, .label = label};
}
Field number(FieldType type, const char* label, const char* preset = "0") {
    return {.type = type, .label = label, .preset = preset};
}
Field moment(const char* label) {
    return {.type = FieldType::datetime, .label = label};
}
Field relation(const char* label, const char* comodel) {
    return {.type = FieldType::many2one, .label = label, .comodel = comodel};
}
Field rows(const char* label, const char* comodel, const char* inverse) {
    return {.type = FieldType::one2many, .label = label, .comodel = comodel, .inverse = inverse};
}
Field choice(const char* label, std::vector<std::string> choices) {
    auto preset = choices.front();
    return {.type = FieldType::selection,
            .label = label,
            .choices = std::move(choices),
            .preset = std::move(preset)};
}
Field flag(const char* label) {
    return {.type = FieldType::boolean, .label = label, .preset = "False"};
}
Field needed(Field field) {
    field.is_required = true;
    return field;
}

Field hierarchy(Field field) {
    field.is_hierarchy = true;
    return field;
}

Field positive(Field field) {
    field.is_positive = true;
    return field;
}

constexpr auto integer = FieldType::integer;
constexpr auto real = FieldType::real;

void add_manufacturing(std::map<std::string, Model, std::less<>>& models) {
    const auto add = [&](const char* name, Fields fields) {
        models[name] = {.name = name, .fields = std::move(fields)};
    };
    add("mrp.workcenter", {{"name", needed(text("Work Center"))}, {"code", text("Code")}});
    add("mrp.production",
        {{"name", text("Reference")},
         {"product_id", needed(relation("Product", "product.product"))},
         {"product_qty", positive(needed(number(real, "Quantity To Produce", "1")))},
         {"qty_producing", number(real, "Quantity Producing")},
         {"qty_produced", number(real, "Quantity Produced")},
         {"components_used", number(real, "Components Used")},
         {"lot_producing_id", relation("Lot/Serial Number", "stock.lot")},
         {"origin", text("Source")},
         {"state",
          choice("State", {"draft", "confirmed", "progress", "to_close", "done", "cancel"})},
         {"date_start", moment("Start")},
         {"date_finished", moment("End")},
         {"workorder_ids", rows("Work Orders", "mrp.workorder", "production_id")}});
    add("mrp.workorder",
        {{"name", needed(text("Work Order"))},
         {"production_id", needed(relation("Manufacturing Order", "mrp.production"))},
         {"workcenter_id", needed(relation("Work Center", "mrp.workcenter"))},
         {"sequence", number(integer, "Sequence", "100")},
         {"qty_produced", number(real, "Quantity")},
         {"duration", number(real, "Real Duration")},
         {"state", choice("Status", {"ready", "pending", "waiting", "progress", "done", "cancel"})},
         {"date_start", moment("Start")},
         {"date_finished", moment("End")}});
    add("mrp.bom",
        {{"code", text("Reference")},
         {"product_tmpl_id", needed(relation("Product", "product.template"))},
         {"product_qty", number(real, "Quantity", "1")},
         {"bom_line_ids", rows("BoM Lines", "mrp.bom.line", "bom_id")}});
    add("mrp.bom.line",
        {{"bom_id", needed(relation("Parent BoM", "mrp.bom"))},
         {"product_id", needed(relation("Component", "product.product"))},
         {"product_qty", number(real, "Quantity", "1")}});
    add("mrp.workcenter.productivity.loss",
        {{"name", needed(text("Blocking Reason"))}, {"manual", flag("Is a Blocking Reason")}});
    add("mrp.workcenter.productivity",
        {{"workcenter_id", needed(relation("Work Center", "mrp.workcenter"))},
         {"loss_id", needed(relation("Loss Reason", "mrp.workcenter.productivity.loss"))},
         {"workorder_id", relation("Work Order", "mrp.workorder")},
         {"description", text("Description")},
         {"date_start", needed(moment("Start Date"))},
         {"date_end", moment("End Date")}});
}

void add_stock(std::map<std::string, Model, std::less<>>& models) {
    const auto add = [&](const char* name, Fields fields) {
        models[name] = {.name = name, .fields = std::move(fields)};
    };
    add("product.template",
        {{"name", needed(text("Name"))}, {"default_code", text("Internal Reference")}});
    add("product.product",
        {{"name", needed(text("Name"))},
         {"default_code", text("Internal Reference")},
         {"barcode", {.type = FieldType::text, .label = "Barcode", .is_unique = true}},
         {"active", number(FieldType::boolean, "Active", "True")}});
    add("stock.location", {{"name", needed(text("Location Name"))}});
    add("stock.lot",
        {{"name", needed(text("Lot/Serial Number"))},
         {"product_id", needed(relation("Product", "product.product"))},
         {"note", text("Description")}});
    add("stock.quant",
        {{"product_id", needed(relation("Product", "product.product"))},
         {"location_id", needed(relation("Location", "stock.location"))},
         {"lot_id", relation("Lot/Serial Number", "stock.lot")},
         {"quantity", number(real, "Quantity")},
         {"inventory_quantity", number(real, "Counted Quantity")},
         {"inventory_quantity_auto_apply", number(real, "Inventoried Quantity")}});
    add("stock.scrap",
        {{"product_id", needed(relation("Product", "product.product"))},
         {"scrap_qty", needed(number(real, "Quantity", "1"))},
         {"lot_id", relation("Lot/Serial", "stock.lot")},
         {"location_id", relation("Source Location", "stock.location")},
         {"origin", text("Source Document")},
         {"times_scrapped", number(integer, "Times Scrapped")},
         {"state", choice("Status", {"draft", "done"})}});
}

void add_transfers(std::map<std::string, Model, std::less<>>& models) {
    const auto add = [&](const char* name, Fields fields) {
        models[name] = {.name = name, .fields = std::move(fields)};
    };
    add("stock.picking.type", {{"name", needed(text("Operation Type"))}});
    add("stock.picking",
        {{"name", text("Reference")},
         {"picking_type_id", needed(relation("Operation Type", "stock.picking.type"))},
         {"origin", text("Source Document")},
         {"partner_id", relation("Contact", "res.partner")},
         {"location_id", relation("Source Location", "stock.location")},
         {"location_dest_id", relation("Destination Location", "stock.location")},
         {"purchase_id", relation("Purchase Order", "purchase.order")},
         {"carrier_tracking_ref", text("Tracking Reference")},
         {"move_line_ids", rows("Operations", "stock.move.line", "picking_id")},
         {"state", choice("Status", {"draft", "confirmed", "assigned", "done", "cancel"})},
         {"move_ids", rows("Stock Moves", "stock.move", "picking_id")}});
    add("stock.move.line",
        {{"picking_id", relation("Transfer", "stock.picking")},
         {"product_id", relation("Product", "product.product")},
         {"lot_name", text("Lot/Serial Number Name")},
         {"quantity", number(real, "Quantity")},
         {"picked", flag("Picked")}});
    add("stock.move",
        {{"name", text("Description")},
         {"picking_id", relation("Transfer", "stock.picking")},
         {"product_id", needed(relation("Product", "product.product"))},
         {"product_uom_qty", needed(number(real, "Demand"))},
         {"quantity", number(real, "Quantity")},
         {"picked", flag("Picked")}});
}

void add_rest(std::map<std::string, Model, std::less<>>& models) {
    const auto add = [&](const char* name, Fields fields) {
        models[name] = {.name = name, .fields = std::move(fields)};
    };
    add("res.partner",
        {{"name", needed(text("Name"))},
         {"email", text("Email")},
         {"parent_id", hierarchy(relation("Related Company", "res.partner"))},
         {"type", choice("Address Type", {"contact", "invoice", "delivery", "other"})},
         {"color", number(integer, "Color Index")}});
    add("res.users", {{"login", needed(text("Login"))}, {"name", text("Name")}});
    add("sale.order.line",
        {{"order_id", relation("Order Reference", "sale.order")},
         {"product_id", relation("Product", "product.product")},
         {"name", text("Description")},
         {"product_uom_qty", number(real, "Quantity", "1")},
         {"price_unit", number(real, "Unit Price")}});
    add("sale.order",
        {{"name", text("Order Reference")},
         {"order_line", rows("Order Lines", "sale.order.line", "order_id")},
         {"partner_id", needed(relation("Customer", "res.partner"))},
         {"client_order_ref", text("Customer Reference")},
         {"date_order", moment("Order Date")},
         {"state", choice("Status", {"draft", "sent", "sale", "cancel"})}});
    add("purchase.order.line",
        {{"order_id", relation("Order Reference", "purchase.order")},
         {"product_id", relation("Product", "product.product")},
         {"product_qty", number(real, "Quantity", "1")}});
    add("purchase.order",
        {{"name", text("Order Reference")},
         {"order_line", rows("Order Lines", "purchase.order.line", "order_id")},
         {"picking_ids", rows("Receptions", "stock.picking", "purchase_id")},
         {"partner_id", needed(relation("Vendor", "res.partner"))},
         {"date_planned", moment("Expected Arrival")},
         {"state", choice("Status", {"draft", "purchase", "done", "cancel"})}});
}

void add_system(std::map<std::string, Model, std::less<>>& models) {
    const auto add = [&](const char* name, Fields fields) {
        models[name] = {.name = name, .fields = std::move(fields)};
    };
    add("mail.message",
        {{"model", text("Related Document Model")},
         {"res_id", number(integer, "Related Document ID")},
         {"body", text("Contents")}});
    add("crm.lead",
        {{"name", needed(text("Opportunity"))},
         {"partner_id", relation("Customer", "res.partner")},
         {"contact_name", text("Contact Name")},
         {"email_from", text("Email")},
         {"expected_revenue", number(real, "Expected Revenue")},
         {"probability", number(real, "Probability")}});
    add("account.move",
        {{"name", text("Number")},
         {"ref", text("Reference")},
         {"payment_reference", text("Payment Reference")},
         {"partner_id", relation("Partner", "res.partner")},
         {"state", choice("Status", {"draft", "posted", "cancel"})}});
    add("maintenance.request",
        {{"name", needed(text("Subjects"))},
         {"workcenter_id", relation("Work Center", "mrp.workcenter")},
         {"request_date", {.type = FieldType::date, .label = "Request Date"}},
         {"maintenance_type", choice("Maintenance Type", {"corrective", "preventive"})}});
    add("ir.model", {{"name", needed(text("Name"))}, {"model", text("Model")}});
    add("res.groups", {{"name", needed(text("Name"))}});
    add("ir.actions.server",
        {{"name", needed(text("Action Name"))},
         {"model_id", needed(relation("Model", "ir.model"))},
         {"groups_id", relation("Allowed Groups", "res.groups")},
         {"state", choice("Type", {"object_write", "object_create", "code", "webhook", "multi"})},
         {"code", text("Python Code")}});
    add("ir.model.data",
        {{"module", text("Module")},
         {"name", text("External Identifier")},
         {"model", text("Model")},
         {"res_id", number(integer, "Record ID")}});
}

}  // namespace

const std::map<std::string, Model, std::less<>>& schema() {
    static const auto models = [] {
        std::map<std::string, Model, std::less<>> made;
        add_manufacturing(made);
        add_stock(made);
        add_transfers(made);
        add_system(made);
        add_rest(made);
        for (auto& [name, model] : made) {
            model.fields["write_date"] = moment("Last Updated on");
        }
        return made;
    }();
    return models;
}

}  // namespace millrace::stand_ins
