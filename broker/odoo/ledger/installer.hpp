#pragma once

#include <string>
#include <string_view>

#include "broker/odoo/ledger/action_code.hpp"
#include "broker/odoo/tools/odoo_client.hpp"

namespace millrace::broker::odoo {

/// What is in Odoo now.
struct LedgerStatus {
    std::int64_t action_id = 0;  ///< 0: there is none
    std::string code;            ///< empty when this user may not read it
};

/// Creates, updates and removes the ledger's server action. Needs an administrator.
class LedgerInstaller {
  public:
    explicit LedgerInstaller(OdooClient& client) : client_(client) {}

    [[nodiscard]] Result<LedgerStatus> find();
    /// Creates the action or overwrites its code. Gives its id.
    [[nodiscard]] Result<std::int64_t> install(const std::string& code);
    /// False when there was none. Markers stay, so that a later installation knows what was done.
    [[nodiscard]] Result<bool> remove();

  private:
    OdooClient& client_;
};

/// Methods that an action's code knows already.
[[nodiscard]] LedgerMethods methods_in(std::string_view code);

}  // namespace millrace::broker::odoo
