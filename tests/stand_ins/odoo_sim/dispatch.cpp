#include "tests/stand_ins/odoo_sim/methods.hpp"

namespace millrace::stand_ins {

Json dispatch(Database& database, const MethodCall& call) {
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
    database.begin();
    try {
        Json result;
        if (!run_record_method(database, call, result) && !run_flow(database, call, result)) {
            throw OdooError{"builtins.AttributeError",
                            "The method '" + call.model + "." + call.method + "' does not exist"};
        }
        database.commit();
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
