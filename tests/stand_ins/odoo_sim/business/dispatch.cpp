#include <optional>

#include "tests/stand_ins/odoo_sim/business/latency.hpp"
#include "tests/stand_ins/odoo_sim/records/methods.hpp"

namespace millrace::stand_ins {

Json dispatch(Database& database, const MethodCall& call, const std::function<void()>& commit) {
    (void)Database::model(call.model);
    if (call.method.starts_with('_')) {
        throw OdooError{"odoo.exceptions.AccessError",
                        "Private methods (such as '" + call.model + "." + call.method +
                            "') cannot be called remotely."};
    }
    if (call.model == "res.users" && call.method != "read" && call.method != "search_read") {
        throw OdooError{"odoo.exceptions.AccessError",
                        "You are not allowed to modify 'User' (res.users) records."};
    }
    const bool changes = call.method == "load" || call.method == "create" ||
                         call.method == "write" || call.method == "unlink";
    if (call.model == "ir.actions.server" && changes && !call.is_administrator) {
        throw OdooError{"odoo.exceptions.AccessError",
                        "You are not allowed to modify 'Server Action' (ir.actions.server) "
                        "records.\n\nThis operation is allowed for the following groups:\n\t- "
                        "Administration/Settings"};
    }
    database.begin();
    std::optional<Database::Committed> ended;
    if (is_reading(call.method)) {
        ended.emplace(database);
    }
    try {
        Json result;
        if (!run_record_method(database, call, result) && !run_flow(database, call, result) &&
            !run_server_action(database, call, result)) {
            throw OdooError{"builtins.AttributeError",
                            "The method '" + call.model + "." + call.method + "' does not exist"};
        }
        commit();
        return result;
    } catch (const Json::exception& error) {  // arguments of a wrong shape
        database.roll_back();
        throw OdooError{"builtins.TypeError", error.what()};
    } catch (...) {
        database.roll_back();
        throw;
    }
}

}  // namespace millrace::stand_ins
