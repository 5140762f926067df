#pragma once

#include <set>
#include <string>

#include "broker/odoo/mapping/mapping.hpp"

namespace millrace::broker::odoo {

/// "model.method" of every method that the ledger calls, from the steps of mappings.
using LedgerMethods = std::set<std::string>;
void add_ledger_methods(const Mapping& mapping, LedgerMethods& methods);

/// The Python code of the ledger's server action. It calls the methods that it names and no other,
/// as nothing in a server action can call a method by its name; create and write are always there.
[[nodiscard]] std::string action_code(const LedgerMethods& methods);

}  // namespace millrace::broker::odoo
