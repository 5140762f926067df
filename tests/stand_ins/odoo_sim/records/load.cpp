#include <algorithm>
#include <array>
#include <optional>

#include "tests/stand_ins/odoo_sim/records/methods.hpp"

// model.load(columns, rows), with its traps: cells are strings, empty means none, one bad row
// undoes all and comes back as a result, about ten are reported, the last of equal ids wins.

namespace millrace::stand_ins {
namespace {

constexpr std::size_t messages_max = 10;

/// A column of the call: a field, and how its cells name the record of a relation.
struct Column {
    enum class By { value, name, external_id, database_id };
    std::string name;
    const Field* field = nullptr;  ///< null: the external id
    By by = By::value;
};

struct RowError {
    std::string field;
    std::string message;
};

std::vector<Column> parse_columns(const Model& model, const Json& names) {
    std::vector<Column> columns;
    for (const auto& entry : names) {
        const auto text = entry.get<std::string>();
        if (text == "id") {
            columns.push_back({.name = text});
            continue;
        }
        const auto slash = text.find('/');
        const auto name = text.substr(0, slash);
        const auto field = model.fields.find(name);
        if (field == model.fields.end()) {
            throw value_error("Invalid field '" + name + "' on model '" + model.name + "'");
        }
        Column column{.name = name, .field = &field->second};
        if (field->second.type == FieldType::many2one) {
            const auto suffix = slash == std::string::npos ? "" : text.substr(slash);
            column.by = suffix == "/id"    ? Column::By::external_id
                        : suffix == "/.id" ? Column::By::database_id
                                           : Column::By::name;
        }
        columns.push_back(column);
    }
    return columns;
}

Json find_related(const Database& database, const Column& column, const std::string& cell) {
    const auto& label = column.field->label;
    if (cell.empty()) {
        return false;
    }
    const auto expect = [&](bool is_match, const char* by) {
        if (!is_match) {
            throw RowError{column.name,
                           std::string("No matching record found for ") + by + " '" + cell +
                               "' in field '" + label + "'"};
        }
    };
    switch (column.by) {
        case Column::By::external_id: {
            const auto [model, id] = database.find(cell);
            expect(model == column.field->comodel, "external id");
            return id;
        }
        case Column::By::database_id: {
            const auto id = std::strtoll(cell.c_str(), nullptr, 10);
            expect(database.has(column.field->comodel, id), "database id");
            return id;
        }
        default: {
            const auto found = database.by_name(column.field->comodel, cell);
            expect(!found.empty(), "name");
            return found.front();
        }
    }
}

/// Of a datetime in the zone of who calls.
Json convert_or_refuse(const Column& column, const std::string& cell, std::chrono::minutes offset) {
    try {
        auto value = convert_cell(column.name, *column.field, cell);
        return column.field->type == FieldType::datetime && value.is_string()
                   ? Json(in_utc(value.get<std::string>(), offset))
                   : value;
    } catch (const OdooError& error) {
        throw RowError{column.name, error.message};
    }
}

void load_row(Database& database,
              const MethodCall& call,
              const std::vector<Column>& columns,
              const Json& row,
              Json& ids) {
    const auto& model = call.model;
    const bool is_utc = call.context().value("tz", std::string()) == "UTC";
    const auto offset = is_utc ? std::chrono::minutes::zero() : call.utc_offset;
    Json values = Json::object();
    std::string external_id;
    for (std::size_t i = 0; i < columns.size() && i < row.size(); ++i) {
        const auto& column = columns[i];
        const auto cell = row[i].is_string()                        ? row[i].get<std::string>()
                          : row[i].is_boolean() || row[i].is_null() ? std::string()
                                                                    : row[i].dump();
        if (column.field == nullptr) {
            external_id = cell;
        } else if (column.by != Column::By::value) {
            values[column.name] = find_related(database, column, cell);
        } else {
            values[column.name] = convert_or_refuse(column, cell, offset);
        }
    }
    if (std::ranges::count(external_id, '.') > 1) {
        throw RowError{"id", "The external ID '" + external_id + "' has more than one dot"};
    }
    if (!external_id.empty() && external_id.find('.') == std::string::npos) {
        external_id = "__import__." + external_id;
    }
    const auto [known_model, known] = database.find(external_id);
    if (known_model == model && database.exists(model, known)) {
        database.write(model, known, values);
        ids.push_back(known);
        return;
    }
    const auto id = database.create(model, values);
    if (!external_id.empty()) {
        database.name_record(external_id, model, id);
    }
    ids.push_back(id);
}

Json message_of(std::size_t row, const RowError& error) {
    return {{"type", "error"},
            {"rows", {{"from", row}, {"to", row}}},
            {"record", row},
            {"field", error.field},
            {"message", error.message}};
}

}  // namespace

Json load(Database& database, const MethodCall& call) {
    const auto columns = parse_columns(Database::model(call.model), call.argument(0, "fields"));
    const auto rows = call.argument(1, "data");
    Json ids = Json::array();
    Json messages = Json::array();
    for (std::size_t row = 0; row < rows.size() && messages.size() < messages_max; ++row) {
        std::optional<RowError> error;
        try {
            load_row(database, call, columns, rows[row], ids);
        } catch (const RowError& refused) {
            error = refused;
        } catch (const OdooError& refused) {
            error = RowError{"", refused.message};
        }
        if (error) {
            messages.push_back(message_of(row, *error));
        }
    }
    if (!messages.empty()) {
        database.roll_back();
        return {{"ids", false}, {"messages", messages}, {"nextrow", 0}};
    }
    return {{"ids", ids}, {"messages", Json::array()}, {"nextrow", 0}};
}

}  // namespace millrace::stand_ins
