#include <algorithm>
#include <set>
#include <utility>

#include "broker/odoo/tools/reconcile.hpp"

// What the events want of each record, beside what stands in Odoo.

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t read_records_max = 100;
constexpr std::size_t doubles_page = 100;
constexpr std::size_t doubles_shown_max = 5;

}  // namespace

Result<Reconciled> Reconcile::finish() {
    std::map<std::string, std::vector<Wanted*>> by_model;
    for (auto& [key, wanted] : wanted_) {
        by_model[wanted.model].push_back(&wanted);
    }
    for (auto& [model, all] : by_model) {
        for (std::size_t begin = 0; begin < all.size(); begin += read_records_max) {
            const auto end = std::min(all.size(), begin + read_records_max);
            MILLRACE_TRY(compare(model,
                                 {all.begin() + static_cast<std::ptrdiff_t>(begin),
                                  all.begin() + static_cast<std::ptrdiff_t>(end)}));
        }
    }
    return std::move(result_);
}

Result<const std::map<std::string, std::string>*> Reconcile::types_of(const std::string& model) {
    auto& types = types_[model];
    if (types.empty()) {
        Call call{.model = model, .method = "fields_get"};
        call.named = {{"attributes", Json::array({"type"})}};
        MILLRACE_TRY(const auto fields, ask(call));
        for (const auto& [name, field] : fields.items()) {
            types[name] = field.value("type", "");
        }
    }
    return &types;
}

Result<Json> Reconcile::read(const std::string& model, const std::vector<Wanted*>& wanted) {
    MILLRACE_TRY(const auto* types, types_of(model));
    Json ids = Json::array();
    std::set<std::string> names;
    for (const auto* const one : wanted) {
        ids.push_back(one->id);
        names.insert(one->named.begin(), one->named.end());
        for (const auto& [name, values] : one->expected) {
            names.insert(name);
        }
    }
    std::erase_if(names, [types](const auto& name) { return !types->contains(name); });
    names.insert("id");  // without a name Odoo reads all there are
    return ask(read_call(model, ids, Json(names)));
}

Result<void> Reconcile::compare(const std::string& model, const std::vector<Wanted*>& wanted) {
    const auto records = read(model, wanted);
    if (!records && !is_of_one_record(records.error())) {
        return records.error();
    }
    if (!records && wanted.size() == 1) {
        add_finding("failed", *wanted.front(), records.error().text);
        return ok();
    }
    if (!records) {
        for (auto* const one : wanted) {
            MILLRACE_TRY(compare(model, {one}));
        }
        return ok();
    }
    std::map<std::int64_t, const Json*> found;
    for (const auto& record : records.value()) {
        found[record.at("id").get<std::int64_t>()] = &record;
    }
    for (const auto* const one : wanted) {
        ++result_.records;
        if (!found.contains(one->id)) {
            add_finding("missing", *one, "Odoo has no such record");
            continue;
        }
        const auto compared = compare_one(*one, *found[one->id]);
        if (!compared && !is_of_one_record(compared.error())) {
            return compared.error();
        }
        if (!compared) {
            add_finding("failed", *one, compared.error().text);
        }
    }
    return ok();
}

Result<void> Reconcile::compare_one(const Wanted& wanted, const Json& record) {
    const auto& types = types_[wanted.model];
    Error failure;
    bool is_refused = false;
    const FindId find_id = [&](const std::string& external_id) -> std::optional<std::int64_t> {
        const auto id = find_reference(external_id);
        failure = id ? failure : id.error();
        is_refused = !id;
        return id && !id.value().is_null() ? std::optional(id.value().get<std::int64_t>())
                                           : std::nullopt;
    };
    for (const auto& [name, field] : wanted.fields) {
        const auto type = types.find(name);
        if (type == types.end() || !is_comparable(type->second)) {
            continue;
        }
        const auto& value = record.at(name);
        is_refused = false;
        if (!is_same(field, type->second, value, find_id) && !is_refused) {
            add_finding(
                "different",
                wanted,
                field.column + " is " + value.dump() + ", the event says " + field.value.dump());
        }
    }
    for (const auto& [name, values] : wanted.expected) {
        const auto& value = record.value(name, Json());
        if (!is_one_of(values, value)) {
            add_finding("different",
                        wanted,
                        name + " is " + value.dump() + ", " + values.dump() + " is expected");
        }
    }
    if (!failure.text.empty()) {
        return failure;
    }
    return options_.looks_for_doubles && wanted.is_new ? find_doubles(wanted, record)
                                                       : Result<void>(ok());
}

Result<void> Reconcile::find_doubles(const Wanted& wanted, const Json& record) {
    const auto& types = types_[wanted.model];
    Json domain = Json::array({Json::array({"id", "!=", wanted.id})});
    for (const auto& name : wanted.named) {
        const auto type = types.find(name);
        if (type == types.end() || !is_comparable(type->second)) {
            continue;
        }
        const auto& value = record.at(name);
        domain.push_back(Json::array({name, "=", value.is_array() ? value.at(0) : value}));
    }
    if (domain.size() == 1) {
        return ok();
    }
    std::size_t shown = 0;
    for (std::size_t offset = 0; shown == 0; offset += doubles_page) {
        Call call{.model = wanted.model, .method = "search"};
        call.positional = {{"domain", domain}};
        call.named = {{"limit", doubles_page}, {"offset", offset}, {"order", "id"}};
        MILLRACE_TRY(const auto others, ask(call));
        if (!others.is_array() || others.empty()) {
            return ok();
        }
        MILLRACE_TRY(shown, add_doubles(wanted, others));
        if (others.size() < doubles_page) {
            return ok();
        }
    }
    return ok();
}

Result<std::size_t> Reconcile::add_doubles(const Wanted& wanted, const Json& others) {
    // What has an external id of ours is another event's.
    MILLRACE_TRY(const auto about,
                 ask({.model = wanted.model, .method = "get_metadata", .ids = others}));
    const auto module = wanted.record.substr(0, wanted.record.find('.'));
    std::size_t shown = 0;
    for (const auto& one : about) {
        const auto external_id = one.value("xmlid", Json());
        const bool is_ours = external_id.is_string() &&
                             external_id.get_ref<const std::string&>().starts_with(module + ".");
        if (!is_ours && shown < doubles_shown_max) {
            ++shown;
            add_finding(
                "doubled",
                wanted,
                wanted.model + " " + one.value("id", Json()).dump() + " has the same values");
        }
    }
    return shown;
}

void Reconcile::add_finding(const char* kind, const Wanted& wanted, const std::string& detail) {
    result_.findings.push_back({.kind = kind,
                                .event_id = wanted.source.event_id,
                                .place = wanted.source.place,
                                .model = wanted.model,
                                .record = wanted.record,
                                .detail = detail});
}

}  // namespace millrace::broker::odoo
