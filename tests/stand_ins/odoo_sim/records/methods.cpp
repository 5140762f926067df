#include "tests/stand_ins/odoo_sim/records/methods.hpp"

#include <algorithm>
#include <array>

namespace millrace::stand_ins {
namespace {

Json rows_of(const Database& database, const Field& field, RecordId id) {
    Json ids = Json::array();
    for (const auto& [row, record] : database.all(field.comodel)) {
        if (record.values.value(field.inverse, Json(false)) == id) {
            ids.push_back(row);
        }
    }
    return ids;
}

Json read_value(const Database& database, const Field& field, RecordId id, const Json& stored) {
    if (field.type == FieldType::one2many) {
        return rows_of(database, field, id);
    }
    if (field.type == FieldType::many2one && stored.is_number_integer()) {
        return {stored, database.display_name(field.comodel, stored.get<RecordId>())};
    }
    // RPC tells whole seconds of what the database keeps finer.
    constexpr std::size_t second_chars = 19;
    if (field.type == FieldType::datetime && stored.is_string()) {
        return stored.get<std::string>().substr(0, second_chars);
    }
    return stored;
}

Json read_record(const Database& database,
                 const std::string& model_name,
                 RecordId id,
                 const Json& fields) {
    const auto& model = Database::model(model_name);
    const auto& record = database.at(model_name, id);
    Json row{{"id", id}};
    for (const auto& [name, field] : model.fields) {
        const bool is_wanted =
            fields.empty() || std::ranges::find(fields, Json(name)) != fields.end();
        if (is_wanted) {
            row[name] = read_value(database, field, id, record.values.value(name, Json(false)));
        }
    }
    for (const auto& name : fields) {
        if (name != "id" && !model.fields.contains(name.get<std::string>())) {
            throw value_error("Invalid field '" + name.get<std::string>() + "' on model '" +
                              model_name + "'");
        }
    }
    return row;
}

bool is_match(const Database& database,
              const std::string& model_name,
              RecordId id,
              const Json& condition) {
    const auto name = condition.at(0).get<std::string>();
    const auto& model = Database::model(model_name);
    const auto& values = database.at(model_name, id).values;
    if (name != "id" && !model.fields.contains(name)) {
        throw value_error("Invalid field " + model_name + "." + name + " in leaf " +
                          condition.dump());
    }
    const auto value = name == "id" ? Json(id) : values.value(name, Json(false));
    const auto operation = condition.at(1).get<std::string>();
    const auto& wanted = condition.at(2);
    if (operation == "=") {
        return value == wanted;
    }
    if (operation == "!=") {
        return value != wanted;
    }
    if (operation == "in") {
        return std::ranges::find(wanted, value) != wanted.end();
    }
    if (operation == ">") {
        return value > wanted;
    }
    if (operation == ">=") {
        return value >= wanted;
    }
    if (operation == "<") {
        return value < wanted;
    }
    if (operation == "ilike" || operation == "like") {
        return value.is_string() &&
               value.get<std::string>().find(wanted.get<std::string>()) != std::string::npos;
    }
    throw value_error("Invalid leaf " + condition.dump());
}

/// Ids in the order that the call wants: "id", or "write_date desc, id desc" and the like.
std::vector<RecordId> in_order(const Database& database, const MethodCall& call) {
    std::vector<RecordId> ids;
    for (const auto& [id, record] : database.all(call.model)) {
        if (database.has(call.model, id)) {
            ids.push_back(id);
        }
    }
    const auto order = call.keyword.value("order", std::string("id"));
    if (order.starts_with("write_date")) {
        std::ranges::stable_sort(ids, {}, [&](RecordId id) {
            return database.at(call.model, id).values.at("write_date").get<std::string>();
        });
    }
    if (order.ends_with("desc")) {
        std::ranges::reverse(ids);
    }
    return ids;
}

std::vector<RecordId> search(const Database& database, const MethodCall& call) {
    const auto domain = call.argument(0, "domain");
    const auto limit = call.keyword.value("limit", Json(false));
    const auto offset = call.keyword.value("offset", std::size_t{0});
    std::vector<RecordId> found;
    std::size_t passed = 0;
    for (const auto id : in_order(database, call)) {
        const bool is_wanted = std::ranges::all_of(domain, [&](const Json& condition) {
            return is_match(database, call.model, id, condition);
        });
        if (!is_wanted || passed++ < offset) {
            continue;
        }
        found.push_back(id);
        if (limit.is_number() && found.size() >= limit.get<std::size_t>()) {
            break;
        }
    }
    return found;
}

Json read(const Database& database, const MethodCall& call) {
    Json rows = Json::array();
    for (const auto id : call.ids()) {
        if (database.has(call.model, id)) {  // a missing or hidden one is left out without an error
            auto fields = call.argument(1, "fields");
            rows.push_back(
                read_record(database, call.model, id, fields.is_array() ? fields : Json::array()));
        }
    }
    return rows;
}

Json search_read(const Database& database, const MethodCall& call) {
    Json rows = Json::array();
    auto fields = call.argument(1, "fields");
    for (const auto id : search(database, call)) {
        rows.push_back(
            read_record(database, call.model, id, fields.is_array() ? fields : Json::array()));
    }
    return rows;
}

Json create(Database& database, const MethodCall& call) {
    const auto create_one = [&](const Json& values) {
        return call.model == "stock.quant" ? create_quant(database, call, values)
                                           : Json(database.create(call.model, values));
    };
    const auto values = call.argument(0, "vals_list");
    if (!values.is_array()) {
        return create_one(values);
    }
    Json ids = Json::array();
    for (const auto& one : values) {
        ids.push_back(create_one(one));
    }
    return ids;
}

Json name_search(const Database& database, const MethodCall& call) {
    const auto wanted = call.argument(0, "name");
    const auto text = wanted.is_string() ? wanted.get<std::string>() : std::string();
    Json found = Json::array();
    for (const auto& [id, record] : database.all(call.model)) {
        const auto name = database.display_name(call.model, id);
        if (database.has(call.model, id) && name.find(text) != std::string::npos) {
            found.push_back({id, name});
        }
    }
    return found;
}

Json fields_get(const MethodCall& call) {
    constexpr std::array names{"char",
                               "integer",
                               "float",
                               "boolean",
                               "date",
                               "datetime",
                               "selection",
                               "many2one",
                               "one2many"};
    Json fields = Json::object();
    for (const auto& [name, field] : Database::model(call.model).fields) {
        fields[name] = {{"type", names.at(static_cast<std::size_t>(field.type))},
                        {"string", field.label},
                        {"required", field.is_required}};
    }
    return fields;
}

Json get_metadata(const Database& database, const MethodCall& call) {
    Json about = Json::array();
    for (const auto id : call.ids()) {
        database.need(call.model, id);
        const auto& external_id = database.at(call.model, id).external_id;
        about.push_back(
            {{"id", id}, {"xmlid", external_id.empty() ? Json(false) : Json(external_id)}});
    }
    return about;
}

Json check_object_reference(const Database& database, const MethodCall& call) {
    const auto name = call.argument(0, "module").get<std::string>() + "." +
                      call.argument(1, "xml_id").get<std::string>();
    const auto [model, id] = database.find(name);
    if (model.empty()) {
        throw value_error("External ID not found in the system: " + name);
    }
    return {model, database.has(model, id) ? Json(id) : Json(false)};
}

}  // namespace

Json MethodCall::argument(std::size_t index, const char* name) const {
    if (index < positional.size()) {
        return positional[index];
    }
    return keyword.value(name, Json());
}

Json MethodCall::context() const {
    return keyword.value("context", Json::object());
}

std::vector<RecordId> MethodCall::ids() const {
    const auto first = argument(0, "ids");
    if (first.is_number_integer()) {
        return {first.get<RecordId>()};
    }
    if (!first.is_array()) {
        throw OdooError{"builtins.TypeError", method + "() missing 1 required positional argument"};
    }
    return first.get<std::vector<RecordId>>();
}

bool run_record_method(Database& database, const MethodCall& call, Json& result) {
    const auto& method = call.method;
    if (method == "load") {
        result = load(database, call);
    } else if (method == "create") {
        result = create(database, call);
    } else if (method == "write") {
        for (const auto id : call.ids()) {
            database.write(call.model, id, call.argument(1, "vals"));
        }
        result = true;
    } else if (method == "unlink") {
        for (const auto id : call.ids()) {
            database.unlink(call.model, id);
        }
        result = true;
    } else if (method == "read") {
        result = read(database, call);
    } else if (method == "search") {
        result = search(database, call);
    } else if (method == "search_count") {
        result = search(database, call).size();
    } else if (method == "search_read") {
        result = search_read(database, call);
    } else if (method == "name_search") {
        result = name_search(database, call);
    } else if (method == "fields_get") {
        result = fields_get(call);
    } else if (method == "get_metadata") {
        result = get_metadata(database, call);
    } else if (method == "check_object_reference" && call.model == "ir.model.data") {
        result = check_object_reference(database, call);
    } else {
        return false;
    }
    return true;
}

}  // namespace millrace::stand_ins
