#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>

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

bool is_conflict(const OdooError& error) {
    constexpr std::array<std::string_view, 5> names{"SerializationFailure",
                                                    "DeadlockDetected",
                                                    "LockNotAvailable",
                                                    "OperationalError",
                                                    "InterfaceError"};
    return std::ranges::find(names, short_name(error.name)) != names.end();
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

/// The code is read as far as needed: its kind, and the methods that it calls.
bool knows(const std::string& code, const std::string& method) {
    return code.find("    if name == '" + method + "':") != std::string::npos;
}

/// An error of the action's own kind.
OdooError own_error(const char* kind, const std::string& message) {
    return {kind, message};
}

Json value_of(Database& database, const std::string& model, RecordId id, const std::string& field) {
    MethodCall read{.model = model, .method = "read"};
    read.positional = Json::array({Json::array({id}), Json::array({field})});
    Json rows;
    (void)run_record_method(database, read, rows);
    if (rows.empty()) {
        database.need(model, id);  // throws the MissingError
    }
    return rows.at(0).at(field);
}

void check(Database& database, const Json& step, RecordId id) {
    const auto model = step.at("model").get<std::string>();
    const auto expected = step.value("expect", Json::object());
    for (const auto& [field, wanted] : expected.items()) {
        const auto value = value_of(database, model, id, field);
        if (std::ranges::find(wanted, value) == wanted.end()) {
            auto text = model + "." + step.at("method").get<std::string>();
            text.append(" has not done what is expected: ").append(field);
            text.append(" is ").append(value.dump()).append("; it may have asked with a wizard");
            throw own_error("MillraceUnexpected", text);
        }
    }
}

RecordId run_step(Database& database, const std::string& code, const Json& step, const Json& ids) {
    MethodCall call{.model = step.at("model"), .method = step.at("method")};
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
    if (!creates && !writes && !knows(code, call.model + "." + call.method)) {
        throw own_error("MillraceUnknownMethod", call.model + "." + call.method);
    }
    Json result;
    if (!run_record_method(database, call, result) && !run_flow(database, call, result)) {
        throw OdooError{"builtins.AttributeError",
                        "'" + call.model + "' object has no attribute '" + call.method + "'"};
    }
    return creates ? result.get<RecordId>() : call.ids().front();
}

Json apply(Database& database, const std::string& code, const Json& steps) {
    Json ids = Json::object();
    for (const auto& step : steps) {
        const auto id = run_step(database, code, step, ids);
        check(database, step, id);
        database.name_record(
            std::string(module) + "." + step.at("marker").get<std::string>(), step.at("model"), id);
        ids[step.at("name").get<std::string>()] = id;
    }
    return ids;
}

Json find_ids(const Database& database, const Json& steps) {
    Json ids = Json::object();
    for (const auto& step : steps) {
        const auto [model, id] =
            database.find(std::string(module) + "." + step.at("marker").get<std::string>());
        if (!model.empty()) {
            ids[step.at("name").get<std::string>()] = id;
        }
    }
    return ids;
}

Json apply_once(Database& database, const std::string& code, const Json& steps) {
    if (const auto ids = find_ids(database, steps); !ids.empty()) {
        return {{"status", "duplicate"}, {"ids", ids}};
    }
    const auto savepoint = database.mark();
    try {
        return {{"status", "ok"}, {"ids", apply(database, code, steps)}};
    } catch (const OdooError& error) {
        if (is_conflict(error)) {
            throw;
        }
        database.roll_back_to(savepoint);
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
    for (const auto& event : context.value("millrace_events", Json::array())) {
        result["millrace"].push_back(
            apply_once(database, code.get<std::string>(), event.at("steps")));
    }
    return true;
}

}  // namespace millrace::stand_ins
