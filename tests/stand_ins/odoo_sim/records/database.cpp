#include "tests/stand_ins/odoo_sim/records/database.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace millrace::stand_ins {
namespace {

OdooError missing(const std::string& model, RecordId id) {
    return {"odoo.exceptions.MissingError",
            "Record does not exist or has been deleted.\n(Record: " + model + "(" +
                std::to_string(id) + ",), User: 2)"};
}

bool is_empty(const Json& value) {
    return value.is_null() || value == false || value == Json("");
}

/// As the database keeps it: finer than RPC tells.
std::string format_moment(std::int64_t unix_us) {
    constexpr std::int64_t second_us = 1'000'000;
    const auto time = static_cast<std::time_t>(unix_us / second_us);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
    auto fraction = std::to_string(second_us + unix_us % second_us);
    fraction.front() = '.';
    return std::string(text.data(), length) + fraction;
}

/// Whether another record has the same value in a field.
template <class Records>
bool has_other(const Records& records, RecordId id, const std::pair<std::string, Json>& field) {
    return std::ranges::any_of(records, [&](const auto& one) {
        return one.first != id && one.second.values.value(field.first, Json()) == field.second;
    });
}

}  // namespace

const Model& Database::model(const std::string& name) {
    const auto found = schema().find(name);
    if (found == schema().end()) {
        throw user_error("Object " + name + " doesn't exist");
    }
    return found->second;
}

void Database::keep_for_undo(const std::string& model, RecordId id) {
    const auto& table = tables_[model];
    const auto found = table.find(id);
    undo_.push_back({.model = model,
                     .id = id,
                     .existed = found != table.end(),
                     .before = found != table.end() ? found->second : StoredRecord{}});
}

void Database::check(const Model& model, const Json& values) const {
    for (const auto& [name, field] : model.fields) {
        const auto value = values.find(name);
        if (field.is_required && (value == values.end() || is_empty(*value))) {
            throw validation_error(
                "The operation cannot be completed: Missing required value for the field '" +
                field.label + "' (" + name + ")");
        }
        if (field.is_positive && value->is_number() && *value <= 0) {
            throw validation_error("The operation cannot be completed: " + field.label +
                                   " must be positive!");
        }
        if (field.type != FieldType::many2one || value == values.end() || is_empty(*value)) {
            continue;
        }
        const auto id = value->get<RecordId>();
        if (!exists(field.comodel, id)) {
            throw missing(field.comodel, id);
        }
        if (field.comodel == "product.product" &&
            refused_.contains(display_name(field.comodel, id))) {
            throw user_error("You cannot use the product \"" + display_name(field.comodel, id) +
                             "\" any more.");
        }
    }
}

void Database::check_unique(const Model& model, RecordId id, const Json& values) const {
    for (const auto& [name, field] : model.fields) {
        if (!field.is_unique || is_empty(values.value(name, Json()))) {
            continue;
        }
        if (has_other(all(model.name), id, {name, values.at(name)})) {
            throw validation_error(field.label + " already assigned: " + values.at(name).dump());
        }
    }
}

void Database::check_hierarchy(const Model& model, RecordId id, const Json& values) const {
    for (const auto& [name, field] : model.fields) {
        if (!field.is_hierarchy) {
            continue;
        }
        auto above = values.value(name, Json(false));
        while (above.is_number_integer() && above != id) {
            above = at(model.name, above.get<RecordId>()).values.at(name);
        }
        if (above == id) {
            throw validation_error("You cannot create recursive hierarchies: " + field.label);
        }
    }
}

void Database::write_rows(const Field& field, RecordId id, const Json& commands) {
    for (const auto& command : commands) {
        if (!command.is_array() || command.size() < 3 || command[0] != 0) {
            throw value_error("Wrong value for a one2many: only (0, 0, values) is known here");
        }
        auto values = command[2];
        values[field.inverse] = id;
        (void)create(field.comodel, values);
    }
}

RecordId Database::create(const std::string& name, const Json& values) {
    const auto& described = model(name);
    const auto id = ++last_id_[name];
    keep_for_undo(name, id);
    Json stored = Json::object();
    for (const auto& [field_name, field] : described.fields) {
        if (field.type != FieldType::one2many) {
            stored[field_name] = convert_cell(field_name, field, field.preset);
        }
    }
    tables_[name][id] = {.values = std::move(stored), .external_id = {}, .writes = 0};
    store(described, id, values);
    pending_.back().method = "create";
    tell({.model = name, .id = id, .kind = RecordChange::Kind::create});
    return id;
}

void Database::write(const std::string& name, RecordId id, const Json& values) {
    const auto& described = model(name);
    need(name, id);
    store(described, id, values);
    tell({.model = name, .id = id, .kind = RecordChange::Kind::write});
}

void Database::tell(const RecordChange& change) const {
    if (watcher_) {
        watcher_(change);
    }
}

void Database::store(const Model& described, RecordId id, const Json& values) {
    const auto& name = described.name;
    keep_for_undo(name, id);
    auto stored = tables_[name][id].values;
    std::vector<std::pair<const Field*, const Json*>> rows;
    for (const auto& [field_name, value] : values.items()) {
        const auto field = described.fields.find(field_name);
        if (field == described.fields.end()) {
            std::string text = "Invalid field '";
            text.append(field_name).append("' on model '").append(name).append("'");
            throw value_error(text);
        }
        if (field->second.type == FieldType::one2many) {
            rows.emplace_back(&field->second, &value);
        } else {
            stored[field_name] = convert_value(field_name, field->second, value);
        }
    }
    stored["write_date"] = format_moment(now_us_);
    check(described, stored);
    check_unique(described, id, stored);
    check_hierarchy(described, id, stored);
    auto& record = tables_[name][id];
    record.values = std::move(stored);
    ++record.writes;
    for (const auto& [field, commands] : rows) {
        write_rows(*field, id, *commands);
    }
    pending_.push_back({.sequence = 0,
                        .model = name,
                        .id = id,
                        .external_id = record.external_id,
                        .method = "write",
                        .values = values});
}

void Database::unlink(const std::string& name, RecordId id) {
    need(name, id);
    tell({.model = name, .id = id, .kind = RecordChange::Kind::unlink});
    keep_for_undo(name, id);
    if (const auto& external = tables_[name][id].external_id; !external.empty()) {
        external_ids_.erase(external);
    }
    tables_[name].erase(id);
}

bool Database::has(const std::string& name, RecordId id) const {
    return exists(name, id) && (viewer_ == Viewer::everything || !hidden_.contains({name, id}));
}

void Database::need(const std::string& name, RecordId id) const {
    if (!has(name, id)) {
        throw missing(name, id);
    }
}

bool Database::exists(const std::string& name, RecordId id) const {
    const auto table = tables_.find(name);
    return table != tables_.end() && table->second.contains(id);
}

const StoredRecord& Database::at(const std::string& name, RecordId id) const {
    if (!exists(name, id)) {
        throw missing(name, id);
    }
    return tables_.at(name).at(id);
}

const std::map<RecordId, StoredRecord>& Database::all(const std::string& name) const {
    static const Table none;
    (void)model(name);
    const auto table = tables_.find(name);
    return table == tables_.end() ? none : table->second;
}

std::vector<RecordId> Database::by_name(const std::string& name, const std::string& text) const {
    std::vector<RecordId> found;
    for (const auto& [id, record] : all(name)) {
        if (has(name, id) && display_name(name, id) == text) {
            found.push_back(id);
        }
    }
    return found;
}

void Database::name_record(const std::string& external_id, const std::string& model, RecordId id) {
    keep_for_undo(model, id);
    external_ids_[external_id] = {model, id};
    if (tables_[model][id].external_id.empty()) {
        tables_[model][id].external_id = external_id;
    }
    named_at_us_[external_id] = now_us_;
    named_.push_back(external_id);
    for (auto& change : pending_) {
        if (change.model == model && change.id == id) {
            change.external_id = external_id;
        }
    }
}

std::pair<std::string, RecordId> Database::find(const std::string& external_id) const {
    const auto found = external_ids_.find(external_id);
    return found == external_ids_.end() ? std::pair<std::string, RecordId>{} : found->second;
}

std::string Database::display_name(const std::string& name, RecordId id) const {
    const auto& values = at(name, id).values;
    const auto found = values.find(name == "res.users" ? "login" : "name");
    return found != values.end() && found->is_string() ? found->get<std::string>()
                                                       : name + "," + std::to_string(id);
}

void Database::begin() {
    undo_.clear();
    pending_.clear();
    named_.clear();
}

void Database::commit() {
    for (auto& change : pending_) {
        change.sequence = journal_.size() + 1;
        journal_.push_back(std::move(change));
    }
    begin();
}

std::size_t Database::forget_named(const std::function<bool(const std::string&)>& is_meant,
                                   std::int64_t before_us,
                                   std::size_t max) {
    const auto is_old = [&](const auto& named) {
        return is_meant(named.first) && named_at_us_[named.first] < before_us;
    };
    std::size_t count = 0;
    for (auto at = external_ids_.begin(); at != external_ids_.end() && count < max;) {
        if (is_old(*at)) {
            at = external_ids_.erase(at);
            ++count;
        } else {
            ++at;
        }
    }
    return count;
}

std::optional<Planned> Database::take_plan(const std::string& method) {
    for (auto plan = plans_.begin(); plan != plans_.end(); ++plan) {
        if (plan->method == method && plan->after-- == 0) {
            auto planned = std::move(*plan);
            plans_.erase(plan);
            return planned;
        }
    }
    return std::nullopt;
}

void Database::roll_back() {
    roll_back_to({});
    begin();
}

void Database::roll_back_to(const Mark& mark) {
    while (undo_.size() > mark.undo) {
        auto undo = std::move(undo_.back());
        undo_.pop_back();
        if (!undo.existed) {
            tables_[undo.model].erase(undo.id);
            continue;
        }
        if (!undo.before.external_id.empty()) {
            external_ids_[undo.before.external_id] = {undo.model, undo.id};
        }
        tables_[undo.model][undo.id] = std::move(undo.before);
    }
    for (auto name = mark.named; name < named_.size(); ++name) {
        external_ids_.erase(named_[name]);
    }
    named_.resize(mark.named);
    pending_.resize(mark.pending);
}

}  // namespace millrace::stand_ins
