#pragma once

namespace millrace::cli {

struct Registry;

/// The family `millrace odoo`.
void add_odoo_commands(Registry& registry);

// Commands of the family; called by `add_odoo_commands`.
void add_odoo_check(Registry& registry);
void add_odoo_try(Registry& registry);
void add_odoo_install(Registry& registry);
void add_odoo_verify(Registry& registry);
void add_odoo_status(Registry& registry);

}  // namespace millrace::cli
