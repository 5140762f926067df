#include <iostream>
#include <ostream>

#include "broker/odoo/ledger/installer.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/odoo/odoo_target.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct InstallOptions {
    OdooOptions odoo;
    std::vector<std::string> mappings;
    bool says_yes = false;
    bool removes = false;
    bool shows = false;
};

bool agrees(Session& session, const InstallOptions& options, const std::string& question) {
    if (options.says_yes) {
        return true;
    }
    session.err() << question << " Type yes: " << std::flush;
    std::string answer;
    return std::getline(std::cin, answer) && answer == "yes";
}

void say(Session& session, std::int64_t id, const std::string& outcome) {
    if (session.is_json()) {
        print_json(session, {{"action_id", id}, {"outcome", outcome}});
    } else {
        session.out() << "the ledger's action " << id << " is " << outcome << '\n';
    }
}

ExitCode remove(Session& session, const InstallOptions& options, odoo::LedgerInstaller& installer) {
    const auto status = require(installer.find());
    if (status.action_id == 0) {
        session.note("there is no ledger to remove");
        return ExitCode::not_found;
    }
    if (!agrees(session, options, "Remove the ledger's action? Its markers stay.")) {
        session.note("nothing was changed");
        return ExitCode::refused;
    }
    (void)require(installer.remove());
    say(session, status.action_id, "removed");
    return ExitCode::ok;
}

ExitCode install(Session& session, const InstallOptions& options) {
    odoo::LedgerMethods methods;
    for (const auto& file : options.mappings) {
        odoo::add_ledger_methods(require_mapping(file), methods);
    }
    if (options.shows) {
        session.out() << odoo::action_code(methods);
        return ExitCode::ok;
    }
    const auto client = connect_odoo(session, options.odoo);
    odoo::LedgerInstaller installer(*client);
    if (options.removes) {
        return remove(session, options, installer);
    }
    const auto status = require(installer.find());
    // What other mappings needed stays.
    methods.merge(odoo::methods_in(status.code));
    const auto code = odoo::action_code(methods);
    if (status.action_id != 0 && status.code == code) {
        say(session, status.action_id, "there already, and up to date");
        return ExitCode::ok;
    }
    session.err() << code;
    if (!agrees(session, options, "This is the code that Odoo will run. Install it?")) {
        session.note("nothing was changed");
        return ExitCode::refused;
    }
    const auto id = require(installer.install(code));
    say(session, id, status.action_id == 0 ? "installed" : "updated");
    return ExitCode::ok;
}

}  // namespace

void add_odoo_install(Registry& registry) {
    auto options = std::make_shared<InstallOptions>();
    CLI::App& command = add_command(
        registry,
        {"install",
         "Create or update the ledger in Odoo: one server action, by an administrator, once. "
         "Shows its code first",
         "millrace odoo install --mapping odoo-mrp.yaml --url http://127.0.0.1:8069 --database "
         "plant --login admin --key-file admin.key\n"
         "millrace odoo install --mapping odoo-mrp.yaml --show"},
        options,
        install);
    command.add_option("--mapping", options->mappings, "Mappings whose methods it may call; again")
        ->allow_extra_args(false)
        ->type_name("FILE");
    command.add_flag("--yes", options->says_yes, "Without asking");
    command.add_flag("--remove", options->removes, "Remove it; its markers stay");
    command.add_flag("--show", options->shows, "Print the code and do nothing");
    add_odoo_target(command, options->odoo, "--url");
}

}  // namespace millrace::cli
