#include <algorithm>
#include <ctime>

#include "tests/stand_ins/odoo_sim/business/contention.hpp"
#include "tests/stand_ins/odoo_sim/records/methods.hpp"

// The server action that "millrace odoo install" writes, with the semantics of its code in Odoo: a
// savepoint an event, markers in the same transaction, conflicts let through.

namespace millrace::stand_ins {
namespace {

constexpr const char* module = "millrace_ledger";
constexpr std::size_t forgotten_max = 1'000;

/// The class as Python's repr shows it: without its module.
std::string short_name(const std::string& name) {
    return name.substr(name.rfind('.') + 1);
}

/// Whether the code lets it through, so that Odoo tries the whole call again.
bool is_conflict(const std::string& code, const OdooError& error) {
    const auto begin = code.find("CONFLICTS = [");
    const auto end = code.find(']', begin);
    return begin != std::string::npos && end != std::string::npos &&
           code.substr(begin, end - begin).find("'" + short_name(error.name) + "'") !=
               std::string::npos;
}

Json fill(const Json& value, const Json& ids) {
    if (value.is_object() && value.contains("millrace_step")) {
        const auto name = value.at("millrace_step").get<std::string>();
        if (!ids.contains(name)) {
            throw OdooError{"builtins.KeyError", "'" + name + "'"};
        }
        return ids.at(name);
    }
    if (!value.is_structured()) {
        return value;
    }
    Json filled = value;
    for (auto& one : filled) {
        one = fill(one, ids);
    }
    return filled;
}

/// The code is read as far as needed: its kind, its conflicts, and the methods that it calls.
bool knows(const std::string& code, const std::string& method) {
    return code.find("    if name == '" + method + "':") != std::string::npos;
}

/// An error of the action's own kind.
OdooError own_error(const char* kind, const std::string& message) {
    return {kind, message};
}

/// The values as which a field may be expected: a relation's are its id and its name.
Json values_of(Database& database,
               const std::string& model,
               RecordId id,
               const std::string& field) {
    MethodCall read{.model = model, .method = "read"};
    read.positional = Json::array({Json::array({id}), Json::array({field})});
    Json rows;
    (void)run_record_method(database, read, rows);
    if (rows.empty()) {
        database.need(model, id);  // throws the MissingError
    }
    auto found = rows.at(0).at(field);
    const bool is_relation = Database::model(model).fields.at(field).type == FieldType::many2one;
    return is_relation && found.is_array() ? found : Json::array({found});
}

void check(Database& database, const Json& step, RecordId id) {
    const auto model = step.at("model").get<std::string>();
    const auto expected = step.value("expect", Json::object());
    for (const auto& [field, wanted] : expected.items()) {
        const auto values = values_of(database, model, id, field);
        const bool is_known = std::ranges::any_of(values, [&wanted = wanted](const Json& value) {
            return std::ranges::find(wanted, value) != wanted.end();
        });
        if (!is_known) {
            auto text = model + "." + step.at("method").get<std::string>();
            text.append(" has not done what is expected: ").append(field);
            text.append(" is ").append(values.size() > 1 ? values.dump() : values[0].dump());
            text.append("; it may have asked with a wizard");
            throw own_error("MillraceUnexpected", text);
        }
    }
}

/// The action and who runs it.
struct Run {
    Database& database;
    std::string code;
    const MethodCall& call;
};

RecordId run_step(const Run& run, const Json& step, const Json& ids) {
    MethodCall call{.model = step.at("model"), .method = step.at("method")};
    call.has_email = run.call.has_email;
    call.keyword = fill(step.value("arguments", Json::object()), ids);
    call.keyword["context"] = fill(step.value("context", Json::object()), ids);
    const auto values = fill(step.value("values", Json::object()), ids);
    const bool creates = call.method == "create";
    const bool writes = call.method == "write";
    if (creates) {
        call.positional = Json::array({values});
    } else {
        call.positional = Json::array({Json::array({fill(step.at("id"), ids)})});
        if (writes) {
            call.positional.push_back(values);
        }
    }
    if (!creates && !writes && !knows(run.code, call.model + "." + call.method)) {
        throw own_error("MillraceUnknownMethod", call.model + "." + call.method);
    }
    Json result;
    if (!run_record_method(run.database, call, result) && !run_flow(run.database, call, result)) {
        throw OdooError{"builtins.AttributeError",
                        "'" + call.model + "' object has no attribute '" + call.method + "'"};
    }
    return creates ? result.get<RecordId>() : call.ids().front();
}

std::string marker_of(const Json& step) {
    return std::string(module) + "." + step.at("marker").get<std::string>();
}

Json apply(const Run& run, const Json& steps) {
    Json ids = Json::object();
    for (const auto& step : steps) {
        const auto id = run_step(run, step, ids);
        check(run.database, step, id);
        if (run.database.is_unseen(marker_of(step))) {  // and not found, but in the index
            throw conflict_error("psycopg2.errors.UniqueViolation");
        }
        run.database.name_record(marker_of(step), step.at("model"), id);
        ids[step.at("name").get<std::string>()] = id;
    }
    return ids;
}

Json find_ids(const Database& database, const Json& steps) {
    Json ids = Json::object();
    for (const auto& step : steps) {
        const auto [model, id] = database.find(marker_of(step));
        if (!model.empty() && !database.is_unseen(marker_of(step))) {
            ids[step.at("name").get<std::string>()] = id;
        }
    }
    return ids;
}

Json apply_once(const Run& run, const Json& steps) {
    if (const auto ids = find_ids(run.database, steps); !ids.empty()) {
        return {{"status", "duplicate"}, {"ids", ids}};
    }
    const auto savepoint = run.database.mark();
    try {
        return {{"status", "ok"}, {"ids", apply(run, steps)}};
    } catch (const OdooError& error) {
        if (is_conflict(run.code, error)) {
            throw;
        }
        run.database.roll_back_to(savepoint);
        return {{"status", "error"}, {"class", short_name(error.name)}, {"message", error.message}};
    }
}

std::int64_t parse_moment(const std::string& text) {
    std::tm parts{};
    if (::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parts) == nullptr) {
        throw value_error("time data '" + text + "' does not match format '%Y-%m-%d %H:%M:%S'");
    }
    return static_cast<std::int64_t>(::timegm(&parts)) * 1'000'000;
}

}  // namespace

bool run_server_action(Database& database, const MethodCall& call, Json& result) {
    if (call.model != "ir.actions.server" || call.method != "run") {
        return false;
    }
    const auto code = database.at(call.model, call.ids().front()).values.at("code");
    if (!code.is_string() || !code.get<std::string>().starts_with("# Millrace ledger")) {
        result = false;
        return true;
    }
    result = {{"type", "ir.actions.act_window_close"}};
    const auto context = call.context();
    if (context.contains("millrace_forget_before")) {
        const auto prefix = context.value("millrace_forget_prefix", "");
        const auto is_meant = [&](const std::string& name) {
            const auto begin = std::string(module) + ".";
            return name.starts_with(begin + (prefix.empty() ? "" : prefix)) &&
                   name != begin + "action" && (!prefix.empty() || !name.starts_with(begin + "_f"));
        };
        result["forgotten"] = database.forget_named(
            is_meant, parse_moment(context.at("millrace_forget_before")), forgotten_max);
        return true;
    }
    result["millrace"] = Json::array();
    const Run run{.database = database, .code = code.get<std::string>(), .call = call};
    for (const auto& event : context.value("millrace_events", Json::array())) {
        result["millrace"].push_back(apply_once(run, event.at("steps")));
    }
    return true;
}

}  // namespace millrace::stand_ins
