#include "broker/odoo/tools/reconcile.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/odoo/ledger/ledger_entry.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t read_records_max = 100;
constexpr std::size_t doubles_page = 100;
constexpr std::size_t doubles_shown_max = 5;

Errc code_of(Cause cause) {
    const bool may_pass =
        cause == Cause::outage || cause == Cause::transient || cause == Cause::outcome_unknown;
    return may_pass ? Errc::unavailable : Errc::configuration;
}

/// Whether only a record or its event is concerned; all else ends the run.
bool is_of_one(const Error& error) {
    return error.code == Errc::invalid_argument;
}

std::string place_of(const Scope& scope) {
    return scope.topic() + "/" + scope.json().at("partition").dump() + "@" +
           scope.json().at("offset").dump();
}

}  // namespace

/// An event on its way through the steps of its rule.
struct Reconcile::Walk {
    const Rule& rule;
    Scope scope;
    Source source;
    std::size_t step = 0;

    [[nodiscard]] const Step& current() const { return rule.steps[step]; }
    bool leave(Json brought) {
        scope.add_step(current().name, std::move(brought));
        ++step;
        return true;
    }
};

Result<Json> Reconcile::ask(const Call& call) {
    const auto reply = ask_(call);
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        const bool is_own = fault->cause == Cause::mapping || fault->is_access_refused;
        return fail(is_own ? Errc::invalid_argument : code_of(fault->cause), fault->error);
    }
    return Json::parse(std::get<std::string>(reply), nullptr, false);
}

Result<Json> Reconcile::find_reference(const std::string& external_id) {
    if (const auto known = references_.find(external_id); known != references_.end()) {
        return known->second;
    }
    auto found = ask(reference_call(external_id));
    if (!found && found.error().text.find("External ID not found") == std::string::npos) {
        return found;
    }
    const bool is_there = found && found.value().is_array() && found.value().size() == 2 &&
                          found.value()[1].is_number_integer();
    return references_[external_id] = is_there ? found.value()[1] : Json();
}

Result<void> Reconcile::add(Scope scope) {
    ++result_.events;
    const auto* const rule = mapping_.rule_of(scope.topic());
    if (rule == nullptr) {
        ++result_.unplanned;
        return ok();
    }
    if (rule->when) {
        const auto wanted = rule->when->evaluate(scope.text());
        if (wanted && (wanted.value().is_null() || wanted.value() == false)) {
            ++result_.not_wanted;
            return ok();
        }
    }
    const auto id = event_id_of(*rule, scope);
    if (!id) {
        ++result_.unplanned;
        return ok();
    }
    const auto place = place_of(scope);
    Walk walk{.rule = *rule,
              .scope = std::move(scope),
              .source = {.event_id = id.value(), .place = place}};
    bool goes_on = true;
    while (goes_on && walk.step < rule->steps.size()) {
        const auto passed = pass(walk);
        if (!passed && !is_of_one(passed.error())) {
            return passed.error();
        }
        if (!passed) {
            note(walk, {.kind = "failed", .detail = passed.error().text});
        }
        goes_on = passed && passed.value();
    }
    return ok();
}

Result<bool> Reconcile::pass(Walk& walk) {
    const auto& step = walk.current();
    const auto evaluated = evaluate(step, walk.scope);
    if (std::holds_alternative<Fault>(evaluated)) {
        ++result_.unplanned;
        return false;
    }
    if (std::holds_alternative<Skipped>(evaluated)) {
        ++result_.guarded;
        return walk.leave(nullptr);
    }
    const auto& work = std::get<Work>(evaluated);
    if (step.action == Action::lookup) {
        return look_up(walk, work);
    }
    if (step.proof == Proof::ledger) {
        return pass_ledger(walk, work);
    }
    if (step.action == Action::create) {
        return walk.leave(nullptr);  // nothing tells its record from others
    }
    if (step.action != Action::upsert) {
        want(walk, work, work.id.get<std::int64_t>(), step.model + " " + work.id.dump());
        return walk.leave({{"id", work.id}});
    }
    MILLRACE_TRY(const auto id, find_reference(work.external_id));
    if (id.is_null()) {
        miss(walk, work.external_id);
        return false;
    }
    want(walk, work, id.get<std::int64_t>(), work.external_id);
    return walk.leave({{"id", id}, {"external_id", work.external_id}});
}

Result<Json> Reconcile::search(const Step& step, const Work& work) {
    if (!step.external_id) {
        return ask(search_call(step, work));
    }
    MILLRACE_TRY(const auto id, find_reference(work.external_id));
    if (id.is_null() || step.read.empty()) {
        return id.is_null() ? Json::array() : Json::array({{{"id", id}}});
    }
    return ask(read_call(step.model, Json::array({id}), step.read));
}

Result<bool> Reconcile::look_up(Walk& walk, const Work& work) {
    const auto& step = walk.current();
    const auto key = step.place + work.group;
    if (!found_.contains(key)) {
        MILLRACE_TRY(const auto found, search(step, work));
        found_[key] = found.is_array() && found.size() == 1 ? found[0] : Json();
    }
    const auto& found = found_[key];
    if (found.is_null() && !step.may_be_missing) {
        ++result_.unplanned;
        return false;
    }
    return walk.leave(found);
}

Result<bool> Reconcile::pass_ledger(Walk& walk, const Work& work) {
    const auto& step = walk.current();
    const auto marker =
        std::string(ledger_module) + "." +
        marker_name(step, {.event_id = walk.source.event_id, .feed = walk.rule.feed});
    MILLRACE_TRY(const auto id, find_reference(marker));
    if (id.is_null()) {
        miss(walk, marker);
        return false;
    }
    want(walk, work, id.get<std::int64_t>(), marker);
    return walk.leave({{"id", id}});
}

void Reconcile::miss(const Walk& walk, const std::string& record) {
    note(walk, {.kind = "missing", .record = record, .detail = "Odoo has no such record"});
}

void Reconcile::note(const Walk& walk, Finding finding) {
    finding.event_id = walk.source.event_id;
    finding.place = walk.source.place;
    finding.model = walk.current().model;
    result_.findings.push_back(std::move(finding));
}

void Reconcile::want(Walk& walk, const Work& work, std::int64_t id, const std::string& record) {
    const auto& step = walk.current();
    auto& wanted = wanted_[record_key(step.model, Json(id))];
    wanted.model = step.model;
    wanted.record = record;
    wanted.id = id;
    wanted.source = walk.source;
    wanted.is_new |= step.action == Action::upsert || step.action == Action::create;
    for (std::size_t cell = 0; cell < step.fields.size() && step.action == Action::upsert; ++cell) {
        const auto& column = step.fields[cell].name;
        wanted.fields[field_of(column)] = {.column = column, .value = work.cells[cell + 1]};
    }
    for (const auto& [name, value] : work.values.items()) {
        wanted.fields[name] = {.column = name, .value = value};
    }
    for (const auto& [name, values] : step.expect.items()) {
        wanted.expected[name] = values;
        wanted.fields.erase(name);
    }
}

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
        for (const auto& [name, field] : one->fields) {
            names.insert(name);
        }
        for (const auto& [name, values] : one->expected) {
            names.insert(name);
        }
    }
    std::erase_if(names, [types](const auto& name) { return !types->contains(name); });
    return ask(read_call(model, ids, Json(names)));
}

Result<void> Reconcile::compare(const std::string& model, const std::vector<Wanted*>& wanted) {
    const auto records = read(model, wanted);
    if (!records && !is_of_one(records.error())) {
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
        if (!compared && !is_of_one(compared.error())) {
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
    for (const auto& [name, field] : wanted.fields) {
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
