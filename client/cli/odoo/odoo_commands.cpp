#include "client/cli/odoo/odoo_commands.hpp"

#include "client/cli/app/options.hpp"

namespace millrace::cli {

void add_odoo_commands(Registry& registry) {
    CLI::App& family = add_family(
        registry.app,
        {"odoo",
         "Check, try, install, watch and verify what feeds Odoo",
         "millrace odoo check odoo-mrp.yaml\n"
         "millrace odoo try odoo-mrp.yaml --event event.json\n"
         "millrace odoo install --mapping odoo-mrp.yaml --url http://127.0.0.1:8069 --database "
         "plant --login admin --key-file admin.key"});
    Registry inner{family, registry.chosen};
    add_odoo_check(inner);
    add_odoo_try(inner);
    add_odoo_install(inner);
    add_odoo_verify(inner);
    add_odoo_status(inner);
}

}  // namespace millrace::cli
