#include "broker/odoo/ledger/installer.hpp"

#include "broker/odoo/answers/load_answer.hpp"
#include "broker/odoo/ledger/ledger_entry.hpp"
#include "broker/odoo/mapping/yaml_reader.hpp"
#include "broker/odoo/plan/calls.hpp"

namespace millrace::broker::odoo {
namespace {

std::string external_id() {
    return std::string(ledger_module) + "." + ledger_action;
}

Call server_actions(const char* method, std::int64_t id) {
    return {.model = "ir.actions.server", .method = method, .ids = Json::array({id})};
}

}  // namespace

Result<LedgerStatus> LedgerInstaller::find() {
    MILLRACE_TRY(const auto found, client_.find_reference(external_id()));
    LedgerStatus status;
    if (!found.is_array() || found.size() != 2 || !found[1].is_number_integer()) {
        return status;
    }
    status.action_id = found[1].get<std::int64_t>();
    auto call = server_actions("read", status.action_id);
    call.positional = {{"fields", Json::array({"code"})}};
    const auto read = client_.ask(call);
    if (read && read.value().is_array() && !read.value().empty()) {
        const auto& code = read.value()[0].value("code", Json());
        status.code = code.is_string() ? code.get<std::string>() : "";
    }
    return status;
}

Result<std::int64_t> LedgerInstaller::install(const std::string& code) {
    Call fields{.model = "ir.actions.server", .method = "fields_get"};
    fields.positional = {{"allfields", Json::array({"groups_id", "group_ids"})}};
    MILLRACE_TRY(const auto known, client_.ask(fields));
    const bool is_new = known.is_object() && known.contains("group_ids");  // its name from 19 on
    Call call{.model = "ir.actions.server", .method = "load"};
    // Run on behalf of any internal user; it does nothing that this user could not do by itself,
    // but for the markers.
    call.positional = {{"fields",
                        Json::array({"id",
                                     "name",
                                     "model_id/id",
                                     "state",
                                     is_new ? "group_ids/id" : "groups_id/id",
                                     "code"})},
                       {"data",
                        Json::array({Json::array({external_id(),
                                                  "Millrace ledger",
                                                  "base.model_ir_model_data",
                                                  "code",
                                                  "base.group_user",
                                                  code})})}};
    MILLRACE_TRY(const auto result, client_.ask(call));
    const auto answer = parse_load_answer(result.dump(), 1);
    if (const auto* const refused = std::get_if<std::vector<RefusedRow>>(&answer)) {
        return fail(Errc::invalid_argument,
                    "Odoo refuses the action: " + refused->front().fault.error);
    }
    if (const auto* const fault = std::get_if<Fault>(&answer)) {
        return fail(Errc::invalid_argument, "Odoo refuses the action: " + fault->error);
    }
    return std::get<LoadWrote>(answer).ids.at(0).get<std::int64_t>();
}

Result<bool> LedgerInstaller::remove() {
    MILLRACE_TRY(const auto status, find());
    if (status.action_id == 0) {
        return false;
    }
    MILLRACE_TRY(client_.ask(server_actions("unlink", status.action_id)));
    return true;
}

LedgerMethods methods_in(std::string_view code) {
    constexpr std::string_view begin = "    if name == '";
    LedgerMethods methods;
    for (auto at = code.find(begin); at != std::string_view::npos; at = code.find(begin, at)) {
        at += begin.size();
        const auto end = code.find('\'', at);
        if (end == std::string_view::npos) {
            break;
        }
        const auto name = code.substr(at, end - at);
        if (is_odoo_name(name)) {
            methods.emplace(name);
        }
    }
    return methods;
}

}  // namespace millrace::broker::odoo
