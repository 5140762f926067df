#pragma once

#include <string>
#include <variant>
#include <vector>

#include "broker/odoo/plan/scope.hpp"

namespace millrace::broker::odoo {

/// What one event asks at one step, with every expression worked out.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Work {
    std::string external_id;         ///< upsert; lookup by external id
    std::vector<std::string> cells;  ///< of an upsert, the external id first
    Json domain;                     ///< of a lookup
    Json id;                         ///< write and call: a number; in the ledger maybe a reference
    Json values = Json::object();    ///< create and write
    Json arguments = Json::object();
    Json context = Json::object();
    std::string group;                 ///< works of the same step and group fit into one call
    std::vector<std::string> records;  ///< what it writes: two calls at a time must not share one
};
struct Skipped {};  ///< a guard says no
using Evaluated = std::variant<Work, Skipped, Fault>;

/// Works out a step. In the ledger, `.steps.NAME.id` of a step of the same block is a reference
/// that Odoo fills in. A fault is always of cause mapping.
[[nodiscard]] Evaluated evaluate(const Step& step, const Scope& scope);

/// Whether the guards of a step let it be done. A fault is of cause mapping.
[[nodiscard]] std::variant<bool, Fault> ask_guards(const Step& step, const Scope& scope);
/// As `evaluate`, whatever the guards say.
[[nodiscard]] std::variant<Work, Fault> work_out(const Step& step, const Scope& scope);

/// A reference to the record of another step of the same block.
[[nodiscard]] Json reference_to(const std::string& step_name);

/// The name that a record goes by where calls must not meet.
[[nodiscard]] std::string record_key(const std::string& model, const std::string& external_id);
[[nodiscard]] std::string record_key(const std::string& model, const Json& id);

}  // namespace millrace::broker::odoo
