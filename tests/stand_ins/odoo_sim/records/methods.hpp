#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "tests/stand_ins/odoo_sim/records/database.hpp"

namespace millrace::stand_ins {

/// A call of a model's method as `execute_kw` brings it.
struct MethodCall {
    std::string model;
    std::string method;
    Json positional = Json::array();
    Json keyword = Json::object();
    bool is_administrator = false;
    bool has_email = true;              ///< of the user that calls
    std::chrono::minutes utc_offset{};  ///< of that user's zone

    /// Positional argument, or the keyword of that name, or null.
    [[nodiscard]] Json argument(std::size_t index, const char* name) const;
    [[nodiscard]] Json context() const;
    /// Record ids of the first argument: one or a list.
    [[nodiscard]] std::vector<RecordId> ids() const;
};

/// Runs any method that the stand-in knows; one that only reads sees what has ended. Throws
/// OdooError, also that of `commit`; then nothing of the call stays.
[[nodiscard]] Json dispatch(Database& database,
                            const MethodCall& call,
                            const std::function<void()>& commit);

/// create, write, read, unlink, search, ...; false when the method is not one of them.
[[nodiscard]] bool run_record_method(Database& database, const MethodCall& call, Json& result);
/// Buttons and actions of orders, transfers, scrap.
[[nodiscard]] bool run_flow(Database& database, const MethodCall& call, Json& result);

/// Server actions: the ledger of `millrace odoo install`, as its code would run in Odoo.
[[nodiscard]] bool run_server_action(Database& database, const MethodCall& call, Json& result);

/// A count of stock: repeat-safe with inventory_mode in the context, a second quant without.
[[nodiscard]] Json create_quant(Database& database, const MethodCall& call, Json values);

/// `load`: upsert by external id. The transaction is undone when a row is refused.
[[nodiscard]] Json load(Database& database, const MethodCall& call);

}  // namespace millrace::stand_ins
