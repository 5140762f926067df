#include "broker/odoo/tools/dry_run.hpp"

#include <set>
#include <utility>

#include "broker/odoo/ledger/ledger_entry.hpp"

namespace millrace::broker::odoo {
namespace {

std::string name_of_step(const Step& step, std::size_t number) {
    return step.name.empty() ? std::to_string(number + 1) : step.name;
}

bool is_unknown_id(const Fault& fault) {
    return fault.error.find("External ID not found") != std::string::npos;
}

/// Fields that a step writes, reads or judges by; of `product_id/.id` that is `product_id`.
std::set<std::string> names_in(const Step& step) {
    std::set<std::string> names;
    for (const auto& field : step.fields) {
        names.insert(field.name.substr(0, field.name.find('/')));
    }
    names.insert(step.read.begin(), step.read.end());
    for (const auto& [name, values] : step.expect.items()) {
        names.insert(name);
    }
    return names;
}

}  // namespace

struct DryRun::State {
    const Rule& rule;
    Scope scope;
    Tried tried;
    std::size_t step = 0;

    [[nodiscard]] const Step& current() const { return rule.steps[step]; }
    void add(Call call, std::string note) {
        tried.calls.push_back({.step = name_of_step(current(), step),
                               .place = current().place,
                               .call = std::move(call),
                               .note = std::move(note)});
    }
    bool refuse(const Fault& fault) {
        tried.outcome = name_of(fault.cause);
        tried.error = fault.error;
        return false;
    }
    bool refuse(const std::string& text) {
        return refuse({.cause = Cause::mapping, .error = text});
    }
    bool leave(Json brought) {
        scope.add_step(current().name, std::move(brought));
        ++step;
        return true;
    }
};

Json DryRun::assume(const std::vector<std::string>& fields) {
    Json found{{"id", ++last_assumed_}};
    for (const auto& field : fields) {
        found[field] = nullptr;
    }
    return found;
}

bool DryRun::look_up(State& state, const Work& work) {
    const auto& step = state.current();
    const auto call = step.external_id ? reference_call(work.external_id) : search_call(step, work);
    if (!ask_) {
        auto found = assume(step.read);
        state.add(call, "assumed: " + found.dump());
        return state.leave(std::move(found));
    }
    const auto reply = ask_(call);
    const auto* const fault = std::get_if<Fault>(&reply);
    if (fault != nullptr && !is_unknown_id(*fault)) {
        state.add(call, "failed");
        return state.refuse(*fault);
    }
    Json found;
    if (fault == nullptr) {
        const auto answer = Json::parse(std::get<std::string>(reply), nullptr, false);
        const bool is_one = answer.is_array() && !answer.empty();
        found = !is_one ? Json() : step.external_id ? Json{{"id", answer.back()}} : answer.front();
        if (!step.external_id && answer.is_array() && answer.size() > 1) {
            state.add(call, "found: " + answer.dump());
            return state.refuse(step.place + ": more than one " + step.model + " is found");
        }
    }
    state.add(call, "found: " + found.dump());
    if (found.is_object() && step.external_id && !step.read.empty()) {
        const auto reading = read_call(step.model, Json::array({found["id"]}), step.read);
        const auto read = ask_(reading);
        const auto* const text = std::get_if<std::string>(&read);
        const auto rows = text == nullptr ? Json() : Json::parse(*text, nullptr, false);
        found = rows.is_array() && !rows.empty() ? rows.front() : Json();
        state.add(reading, "found: " + found.dump());
    }
    if (found.is_null() && !step.may_be_missing) {
        return state.refuse(step.place + ": no " + step.model + " is found by " +
                            (step.external_id ? work.external_id : work.domain.dump()));
    }
    return state.leave(std::move(found));
}

std::string DryRun::note_of(const Step& step, const Work& work) {
    if (!ask_ || step.action != Action::upsert) {
        return step.expect.empty() ? "" : "then " + step.expect.dump() + " is expected";
    }
    const auto reply = ask_(reference_call(work.external_id));
    const auto* const text = std::get_if<std::string>(&reply);
    return text == nullptr ? "creates " + work.external_id
                           : "overwrites " + work.external_id + ", " + *text;
}

void DryRun::write(State& state, const Work& work) {
    const auto& step = state.current();
    const Work* const only = &work;
    const Works works(&only, 1);
    const auto note = note_of(step, work);
    if (!step.expect.empty()) {
        auto reading = read_call(step.model, Json::array({work.id}), expected_fields(step));
        state.add(std::move(reading), "no call where it is as expected");
    }
    switch (step.action) {
        case Action::upsert:
            state.add(load_call(step, works), note);
            break;
        case Action::create:
            state.add(create_call(step, works), note);
            break;
        default:
            state.add(group_call(step, works), note);
    }
    Json brought = step.action == Action::upsert || step.action == Action::create
                       ? assume({})
                       : Json{{"id", work.id}};
    if (step.action == Action::upsert && ask_) {
        const auto reply = ask_(reference_call(work.external_id));
        if (const auto* const text = std::get_if<std::string>(&reply)) {
            const auto found = Json::parse(*text, nullptr, false);
            brought["id"] = found.is_array() && !found.empty() ? found.back() : brought["id"];
        }
    }
    (void)state.leave(std::move(brought));
}

const DryRun::Known& DryRun::known_of(const std::string& model) {
    const auto found = known_.find(model);
    if (found != known_.end()) {
        return found->second;
    }
    Call call{.model = model, .method = "fields_get"};
    call.named = {{"attributes", Json::array({"type"})}};
    const auto reply = ask_(call);
    Known known;
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        known.fault = *fault;
    } else {
        known.fields = Json::parse(std::get<std::string>(reply), nullptr, false);
    }
    return known_.emplace(model, std::move(known)).first->second;
}

std::optional<Fault> DryRun::unknown_in(const Step& step) {
    if (!ask_) {
        return std::nullopt;
    }
    const auto& known = known_of(step.model);
    if (known.fault) {
        return Fault{.cause = known.fault->cause, .error = step.place + ": " + known.fault->error};
    }
    for (const auto& name : names_in(step)) {
        if (known.fields.is_object() && name != "id" && !known.fields.contains(name)) {
            return Fault{
                .cause = Cause::mapping,
                .error = step.place + ": " + step.model + " has no field \"" + name + "\""};
        }
    }
    return std::nullopt;
}

bool DryRun::pass_block(State& state) {
    for (auto at = state.step; at < state.step + block_length(state.rule.steps, state.step); ++at) {
        if (const auto fault = unknown_in(state.rule.steps[at])) {
            return state.refuse(*fault);
        }
    }
    auto evaluated = evaluate_block(
        state.rule.steps,
        {.event_id = state.tried.event_id, .step = state.step, .feed = state.rule.feed},
        state.scope);
    if (const auto* const fault = std::get_if<Fault>(&evaluated)) {
        return state.refuse(*fault);
    }
    std::set<std::string> taken;  // others are left out by a guard
    if (auto* const entry = std::get_if<LedgerEntry>(&evaluated)) {
        for (const auto& step : entry->json.at("steps")) {
            taken.insert(step.at("name").get<std::string>());
        }
        state.add(ledger_call(0, Json::array({entry->json})),
                  std::string("one transaction; 0 stands for the id of ") + ledger_module + "." +
                      ledger_action);
    }
    for (auto left = block_length(state.rule.steps, state.step); left > 0; --left) {
        const bool is_taken = taken.contains(state.current().name);
        (void)state.leave(is_taken ? assume({}) : Json());
    }
    return true;
}

bool DryRun::pass(State& state) {
    const auto& step = state.current();
    if (step.proof == Proof::ledger) {
        return pass_block(state);
    }
    if (const auto fault = unknown_in(step)) {
        return state.refuse(*fault);
    }
    const auto evaluated = evaluate(step, state.scope);
    if (const auto* const fault = std::get_if<Fault>(&evaluated)) {
        return state.refuse(*fault);
    }
    if (std::holds_alternative<Skipped>(evaluated)) {
        return state.leave(nullptr);
    }
    const auto& work = std::get<Work>(evaluated);
    if (step.action == Action::lookup) {
        return look_up(state, work);
    }
    write(state, work);
    return true;
}

Tried DryRun::run(Scope scope) {
    const auto* const rule = mapping_.rule_of(scope.topic());
    if (rule == nullptr) {
        return {.outcome = "mapping", .error = "no mapping for topic \"" + scope.topic() + "\""};
    }
    State state{.rule = *rule, .scope = std::move(scope), .tried = {.outcome = "applied"}};
    if (rule->when) {
        const auto wanted = rule->when->evaluate(state.scope.text());
        if (!wanted) {
            (void)state.refuse(rule->when->fault(wanted.error().text));
            return state.tried;
        }
        if (wanted.value().is_null() || wanted.value() == false) {
            state.tried.outcome = "not_wanted";
            return state.tried;
        }
    }
    const auto id = event_id_of(*rule, state.scope);
    auto lanes = lanes_of(*rule, state.scope);
    if (!id || !lanes) {
        (void)state.refuse(!id ? id.error().text : lanes.error().text);
        return state.tried;
    }
    state.tried.event_id = id.value();
    state.tried.lanes = std::move(lanes).value();
    while (state.step < rule->steps.size() && pass(state)) {
    }
    return std::move(state.tried);
}

}  // namespace millrace::broker::odoo
