#include "broker/odoo/tools/reconcile.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/odoo/ledger/ledger_entry.hpp"

namespace millrace::broker::odoo {
namespace {

Errc errc_of(Cause cause) {
    const bool may_pass =
        cause == Cause::outage || cause == Cause::transient || cause == Cause::outcome_unknown;
    return may_pass ? Errc::unavailable : Errc::configuration;
}

std::string place_of(const Scope& scope) {
    return scope.topic() + "/" + scope.json().at("partition").dump() + "@" +
           scope.json().at("offset").dump();
}

}  // namespace

/// An event on its way through the steps of its rule.
struct Reconcile::Walk {
    const Rule& rule;
    Scope scope;   ///< as the sink has it, with Odoo as it is today
    Scope filled;  ///< with the records of steps, too, that a guard leaves out today
    Source source;
    std::size_t step = 0;

    [[nodiscard]] const Step& current() const { return rule.steps[step]; }
    bool leave(const Json& brought) {
        scope.add_step(current().name, brought);
        filled.add_step(current().name, brought);
        ++step;
        return true;
    }
    bool leave_out(const Json& brought) {
        scope.add_step(current().name, nullptr);
        filled.add_step(current().name, brought);
        ++step;
        return true;
    }
    [[nodiscard]] bool was_wanted() const;
};
/// The record of a step.
struct Reconcile::Target {
    std::int64_t id = 0;
    std::string record;
    bool is_guarded = false;
};

/// Whether a step that a guard leaves out is one for the event, and was when Odoo did not hold yet
/// what it holds today.
bool Reconcile::Walk::was_wanted() const {
    const auto is_let = [this](const Scope& tried) {
        const auto asked = ask_guards(current(), tried);
        return std::holds_alternative<bool>(asked) && std::get<bool>(asked);
    };
    if (is_let(filled)) {
        return true;
    }
    Scope before = filled;
    const auto tell = [&](const Step& one, const Json& brought) {
        if (one.action == Action::lookup && !one.name.empty()) {
            before.add_step(one.name, brought);
        }
    };
    for (std::size_t at = 0; at < step; ++at) {
        const auto& one = rule.steps[at];
        const auto known = filled.json().at("steps").value(one.name, Json());
        tell(one, known.is_object() ? Json{{"id", known.at("id")}} : Json());
    }
    if (is_let(before)) {
        return true;
    }
    for (std::size_t at = 0; at < step; ++at) {
        if (rule.steps[at].may_be_missing) {
            tell(rule.steps[at], nullptr);
        }
    }
    return is_let(before);
}

Result<Json> Reconcile::ask(const Call& call) {
    const auto reply = ask_(call);
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        const bool is_own = fault->cause == Cause::mapping || fault->is_access_refused;
        return fail(is_own ? Errc::invalid_argument : errc_of(fault->cause), fault->error);
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

Result<void> Reconcile::add(const Scope& scope) {
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
              .scope = scope,
              .filled = scope,
              .source = {.event_id = id.value(), .place = place}};
    bool goes_on = true;
    while (goes_on && walk.step < rule->steps.size()) {
        const auto passed = pass(walk);
        if (!passed && !is_of_one_record(passed.error())) {
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
    const auto asked = ask_guards(step, walk.scope);
    if (std::holds_alternative<bool>(asked) && !std::get<bool>(asked)) {
        return pass_guarded(walk);
    }
    const auto worked = work_out(step, walk.scope);
    if (std::holds_alternative<Fault>(asked) || std::holds_alternative<Fault>(worked)) {
        ++result_.unplanned;
        return false;
    }
    const auto& work = std::get<Work>(worked);
    if (step.action == Action::lookup) {
        return look_up(walk, work);
    }
    if (step.action == Action::create && step.proof != Proof::ledger) {
        return pass_count(walk, work);
    }
    MILLRACE_TRY(const auto id, find_record(walk, work));
    const auto record = record_name(walk, work);
    if (id.is_null()) {
        miss(walk, record);
        return false;
    }
    want(walk, work, {.id = id.get<std::int64_t>(), .record = record});
    return walk.leave(step.action == Action::upsert
                          ? Json{{"id", id}, {"external_id", work.external_id}}
                          : Json{{"id", id}});
}

Result<bool> Reconcile::pass_guarded(Walk& walk) {
    const auto& step = walk.current();
    ++result_.guarded;
    if (!walk.was_wanted()) {
        return walk.leave_out(nullptr);
    }
    const auto worked = work_out(step, walk.filled);
    if (std::holds_alternative<Fault>(worked)) {
        leave_unverified(walk, "a guard leaves it out today, and so what it would do is not known");
        return walk.leave_out(nullptr);
    }
    const auto& work = std::get<Work>(worked);
    if (step.action == Action::lookup) {
        MILLRACE_TRY(const auto found, find(step, work));
        return walk.leave_out(found);
    }
    if (step.action == Action::create && step.proof != Proof::ledger) {
        leave_unverified(walk, "a guard leaves it out today, and nothing tells its record");
        return walk.leave_out(nullptr);
    }
    MILLRACE_TRY(const auto id, find_record(walk, work));
    if (id.is_null()) {
        // It may never have been done: what the guard is about may have come before the event.
        leave_unverified(walk, "a guard leaves it out today, and it has left no record");
        return walk.leave_out(nullptr);
    }
    want(walk,
         work,
         {.id = id.get<std::int64_t>(), .record = record_name(walk, work), .is_guarded = true});
    return walk.leave_out({{"id", id}, {"external_id", work.external_id}});
}

Result<Json> Reconcile::find_record(const Walk& walk, const Work& work) {
    const auto& step = walk.current();
    if (step.proof == Proof::ledger || step.action == Action::upsert) {
        return find_reference(record_name(walk, work));
    }
    return work.id;
}

std::string Reconcile::record_name(const Walk& walk, const Work& work) {
    const auto& step = walk.current();
    if (step.proof == Proof::ledger) {
        return std::string(ledger_module) + "." +
               marker_name(step, {.event_id = walk.source.event_id, .feed = walk.rule.feed});
    }
    return step.action == Action::upsert ? work.external_id : step.model + " " + work.id.dump();
}

/// A count of stock goes by its product and its place; what else is created leaves nothing that
/// tells it from others.
Result<bool> Reconcile::pass_count(Walk& walk, const Work& work) {
    constexpr std::array<const char*, 2> needed{"product_id", "location_id"};
    constexpr std::array<const char*, 3> further{"lot_id", "package_id", "owner_id"};
    const auto& step = walk.current();
    const auto is_named = [&](const char* name) {
        return work.values.value(name, Json()).is_number_integer();
    };
    if (step.model != "stock.quant" || !std::ranges::all_of(needed, is_named)) {
        leave_unverified(walk, "nothing tells a record that it creates from others");
        return walk.leave(nullptr);
    }
    MILLRACE_TRY(const auto* types, types_of(step.model));
    Json domain = Json::array();
    for (const char* const name : needed) {
        domain.push_back(Json::array({name, "=", work.values.at(name)}));
    }
    for (const char* const name : further) {
        if (types->contains(name)) {
            const auto value = work.values.value(name, Json());
            domain.push_back(Json::array({name, "=", value.is_null() ? Json(false) : value}));
        }
    }
    Call call{.model = step.model, .method = "search"};
    call.positional = {{"domain", domain}};
    call.named = {{"order", "id"}};
    MILLRACE_TRY(const auto ids, ask(call));
    if (!ids.is_array() || ids.empty()) {
        miss(walk, step.model + " " + domain.dump());
        return false;
    }
    const auto id = ids[0].get<std::int64_t>();
    wanted_of(walk, {.id = id, .record = step.model + " " + ids[0].dump()});
    const bool is_told = !options_.looks_for_doubles || !counted_.insert(domain.dump()).second;
    for (std::size_t at = 1; at < ids.size() && !is_told; ++at) {
        note(walk,
             {.kind = "doubled",
              .record = step.model + " " + ids[0].dump(),
              .detail = step.model + " " + ids[at].dump() + " counts the same place"});
    }
    return walk.leave({{"id", id}});
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

Result<Json> Reconcile::find(const Step& step, const Work& work) {
    const auto key = step.place + work.group;
    if (!found_.contains(key)) {
        MILLRACE_TRY(const auto found, search(step, work));
        found_[key] = found.is_array() && found.size() == 1 ? found[0] : Json();
    }
    return found_[key];
}

Result<bool> Reconcile::look_up(Walk& walk, const Work& work) {
    const auto& step = walk.current();
    MILLRACE_TRY(const auto found, find(step, work));
    if (found.is_null() && !step.may_be_missing) {
        ++result_.unplanned;
        return false;
    }
    return walk.leave(found);
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

void Reconcile::leave_unverified(const Walk& walk, const std::string& why) {
    const auto& step = walk.current();
    auto known = std::ranges::find_if(result_.unverified, [&](const Unverified& one) {
        return one.place == step.place && one.why == why;
    });
    if (known == result_.unverified.end()) {
        result_.unverified.push_back({.place = step.place, .model = step.model, .why = why});
        known = std::prev(result_.unverified.end());
    }
    ++known->steps;
}

Reconcile::Wanted& Reconcile::wanted_of(const Walk& walk, const Target& target) {
    const auto& model = walk.current().model;
    auto& wanted = wanted_[record_key(model, Json(target.id))];
    wanted.model = model;
    wanted.record = target.record;
    wanted.id = target.id;
    wanted.source = walk.source;
    return wanted;
}

void Reconcile::want(const Walk& walk, const Work& work, const Target& target) {
    const auto& step = walk.current();
    auto& wanted = wanted_of(walk, target);
    wanted.is_new |= step.action == Action::upsert || step.action == Action::create;
    const auto add = [&](const std::string& column, const Json& value) {
        const auto name = field_of(column);
        wanted.named.insert(name);
        if (!target.is_guarded) {
            wanted.fields[name] = {.column = column, .value = value};
        }
    };
    for (std::size_t cell = 0; cell < step.fields.size() && step.action == Action::upsert; ++cell) {
        add(step.fields[cell].name, work.cells[cell + 1]);
    }
    for (const auto& [name, value] : work.values.items()) {
        add(name, value);
    }
    for (const auto& [name, values] : step.expect.items()) {
        wanted.expected[name] = values;
        wanted.fields.erase(name);
        wanted.named.erase(name);
    }
}

}  // namespace millrace::broker::odoo
