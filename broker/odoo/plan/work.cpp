#include "broker/odoo/plan/work.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace millrace::broker::odoo {
namespace {

constexpr double number_max = 1e300;  ///< jq writes infinite as the largest double
constexpr const char* reference_name = "millrace_step";

/// Why Odoo could not take a value: a NUL in a text, a number without end.
std::optional<std::string> find_unsendable(const Json& value) {
    if (value.is_string() && value.get_ref<const std::string&>().find('\0') != std::string::npos) {
        return "gives a text with a NUL, which Odoo refuses";
    }
    if (value.is_number_float() && !(std::abs(value.get<double>()) < number_max)) {
        return "gives a number that is not finite";
    }
    if (!value.is_structured()) {
        return std::nullopt;
    }
    for (const auto& one : value) {
        if (auto found = find_unsendable(one)) {
            return found;
        }
    }
    return std::nullopt;
}

/// What `load` takes: a string; nothing for null.
Result<std::string> format_cell(const Json& value) {
    if (value.is_string()) {
        return value.get<std::string>();
    }
    if (value.is_boolean()) {
        return std::string(value.get<bool>() ? "True" : "False");
    }
    if (value.is_number()) {
        return value.dump();
    }
    if (!value.is_null()) {
        return fail(Errc::invalid_argument,
                    "gives " + value.dump() + ", and a cell is a text, a number or true or false");
    }
    return std::string();
}

/// A value that may leave.
std::variant<Json, Fault> value_of(const Expression& expression, const Scope& scope) {
    auto value = expression.evaluate(scope.text());
    if (!value) {
        return expression.fault(value.error().text);
    }
    if (const auto why = find_unsendable(value.value())) {
        return expression.fault(*why);
    }
    return std::move(value).value();
}

bool is_yes(const Json& value) {
    return !value.is_null() && value != false;
}

std::optional<Fault> fill(const std::vector<Expression>& expressions,
                          const Scope& scope,
                          Json& object) {
    for (const auto& one : expressions) {
        auto value = value_of(one, scope);
        if (auto* const fault = std::get_if<Fault>(&value)) {
            return std::move(*fault);
        }
        object[one.name] = std::get<Json>(std::move(value));
    }
    return std::nullopt;
}

std::optional<Fault> set_external_id(const Expression& expression, const Scope& scope, Work& work) {
    const auto value = value_of(expression, scope);
    if (const auto* const fault = std::get_if<Fault>(&value)) {
        return *fault;
    }
    const auto& id = std::get<Json>(value);
    if (!id.is_string() || id.get_ref<const std::string&>().empty()) {
        return expression.fault("gives " + id.dump() + ", and a text is wanted");
    }
    auto name = id.get<std::string>();
    if (name.find_first_of(" \t\n") != std::string::npos || std::ranges::count(name, '.') > 1) {
        return expression.fault("\"" + name +
                                "\" is no external id: one dot at most and no blanks; the function "
                                "external_name makes a part of one of any text");
    }
    work.external_id = name.find('.') == std::string::npos ? "millrace." + name : std::move(name);
    return std::nullopt;
}

std::optional<Fault> set_cells(const Step& step, const Scope& scope, Work& work) {
    work.cells = {work.external_id};
    for (const auto& cell : step.fields) {
        const auto value = value_of(cell, scope);
        if (const auto* const fault = std::get_if<Fault>(&value)) {
            return *fault;
        }
        auto text = format_cell(std::get<Json>(value));
        if (!text) {
            return cell.fault(text.error().text);
        }
        work.cells.push_back(std::move(text).value());
    }
    return std::nullopt;
}

std::optional<Fault> set_id(const Step& step, const Scope& scope, Work& work) {
    auto value = value_of(*step.id, scope);
    if (auto* const fault = std::get_if<Fault>(&value)) {
        return std::move(*fault);
    }
    work.id = std::get<Json>(std::move(value));
    const bool is_reference =
        step.proof == Proof::ledger && work.id.is_object() && work.id.contains(reference_name);
    if (!is_reference && (!work.id.is_number_integer() || work.id <= 0)) {
        return step.id->fault("gives " + work.id.dump() + ", and the id of a record is wanted");
    }
    return std::nullopt;
}

std::optional<Fault> set_domain(const Step& step, const Scope& scope, Work& work) {
    auto value = value_of(*step.domain, scope);
    if (auto* const fault = std::get_if<Fault>(&value)) {
        return std::move(*fault);
    }
    work.domain = std::get<Json>(std::move(value));
    if (!work.domain.is_array() || work.domain.empty()) {
        return step.domain->fault("gives " + work.domain.dump() +
                                  ", and a list of conditions is wanted: "
                                  "[[\"name\", \"=\", .value.product]]");
    }
    return std::nullopt;
}

/// Whether a value has commands that make records of their own: a repeat would make them again.
bool makes_rows(const Json& value) {
    return value.is_array() && std::ranges::any_of(value, [](const Json& command) {
               return command.is_array() && !command.empty() && command.front() == 0;
           });
}

std::optional<Fault> find_unsafe_write(const Step& step, const Work& work) {
    if (step.action != Action::write || step.proof == Proof::ledger) {
        return std::nullopt;
    }
    const auto unsafe = std::ranges::find_if(
        step.fields, [&](const Expression& one) { return makes_rows(work.values.at(one.name)); });
    if (unsafe == step.fields.end()) {
        return std::nullopt;
    }
    return unsafe->fault(
        "a write with [0, 0, {...}] makes new rows each time its event comes: "
        "say mode: ledger");
}

std::optional<Fault> set_parts(const Step& step, const Scope& scope, Work& work) {
    std::optional<Fault> fault;
    if (step.external_id) {
        fault = set_external_id(*step.external_id, scope, work);
    }
    if (!fault && step.action == Action::upsert) {
        fault = set_cells(step, scope, work);
    } else if (!fault) {
        fault = fill(step.fields, scope, work.values);
    }
    if (!fault) {
        fault = find_unsafe_write(step, work);
    }
    if (!fault && step.id) {
        fault = set_id(step, scope, work);
    }
    if (!fault && step.domain) {
        fault = set_domain(step, scope, work);
    }
    if (!fault) {
        fault = fill(step.arguments, scope, work.arguments);
    }
    if (!fault) {
        fault = fill(step.context, scope, work.context);
    }
    if (!fault && step.proof == Proof::ledger) {
        // There every event is a call of its own.
        for (const auto& name : step.context_ids) {
            work.context[name] = Json::array({work.id});
        }
    }
    return fault;
}

/// What two events must have in common to share a call, and what must not be in two calls.
void set_neighbours(const Step& step, Work& work) {
    switch (step.action) {
        case Action::upsert:
            work.records = {record_key(step.model, work.external_id)};
            break;
        case Action::lookup:
            work.group = step.external_id ? work.external_id : work.domain.dump();
            break;
        case Action::create:
            work.group = work.context.dump();
            break;
        case Action::write:
            work.group = work.values.dump() + work.context.dump();
            break;
        case Action::call:
            work.group = work.arguments.dump() + work.context.dump();
            break;
    }
    if (work.id.is_number_integer()) {
        work.records = {record_key(step.model, work.id)};
    }
}

}  // namespace

Json reference_to(const std::string& step_name) {
    return {{"id", {{reference_name, step_name}}}};
}

std::string record_key(const std::string& model, const std::string& external_id) {
    return model + " " + external_id;
}

std::string record_key(const std::string& model, const Json& id) {
    return model + "#" + id.dump();
}

std::variant<bool, Fault> ask_guards(const Step& step, const Scope& scope) {
    for (const auto* const guard : {&step.only_if, &step.unless}) {
        if (!*guard) {
            continue;
        }
        const auto value = (*guard)->evaluate(scope.text());
        if (!value) {
            return (*guard)->fault(value.error().text);
        }
        if (is_yes(value.value()) != (guard == &step.only_if)) {
            return false;
        }
    }
    return true;
}

std::variant<Work, Fault> work_out(const Step& step, const Scope& scope) {
    Work work;
    if (auto fault = set_parts(step, scope, work)) {
        return std::move(*fault);
    }
    set_neighbours(step, work);
    return work;
}

Evaluated evaluate(const Step& step, const Scope& scope) {
    auto asked = ask_guards(step, scope);
    if (auto* const fault = std::get_if<Fault>(&asked)) {
        return std::move(*fault);
    }
    if (!std::get<bool>(asked)) {
        return Skipped{};
    }
    return std::visit([](auto&& done) -> Evaluated { return std::forward<decltype(done)>(done); },
                      work_out(step, scope));
}

}  // namespace millrace::broker::odoo
