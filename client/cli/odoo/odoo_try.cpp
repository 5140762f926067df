#include <fstream>
#include <iostream>
#include <iterator>
#include <ostream>
#include <sstream>

#include "broker/odoo/tools/dry_run.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/odoo/odoo_target.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct TryOptions {
    std::string mapping;
    std::string events;
    OdooOptions odoo;
};

/// One JSON object, or one a line.
std::vector<odoo::Scope> read_events(const std::string& path) {
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(path == "-" ? std::cin : file), {});
    if (path != "-" && !file) {
        throw UsageError("cannot read the events of " + path);
    }
    std::vector<odoo::Scope> events;
    if (auto whole = odoo::Scope::of_json(text)) {
        events.push_back(std::move(whole).value());
        return events;
    }
    std::istringstream lines(text);
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string::npos) {
            continue;
        }
        auto one = odoo::Scope::of_json(line);
        if (!one) {
            throw UsageError(path + ":" + std::to_string(number) + ": " + one.error().text);
        }
        events.push_back(std::move(one).value());
    }
    if (events.empty()) {
        throw UsageError(path + " has no event");
    }
    return events;
}

/// As in Python: positional arguments, then those with names.
std::string format_call(const odoo::Call& call) {
    const auto [positional, keyword] = odoo::rpc_arguments(call);
    std::string text = call.model + "." + call.method + "(";
    const char* between = "";
    for (const auto& one : positional) {
        text += between + one.dump();
        between = ", ";
    }
    for (const auto& [name, value] : keyword.items()) {
        text += between + name + "=" + value.dump();
        between = ", ";
    }
    return text + ")";
}

nlohmann::ordered_json to_json(const odoo::Tried& tried) {
    auto calls = nlohmann::ordered_json::array();
    for (const auto& one : tried.calls) {
        const auto [positional, keyword] = odoo::rpc_arguments(one.call);
        calls.push_back({{"step", one.step},
                         {"place", one.place},
                         {"model", one.call.model},
                         {"method", one.call.method},
                         {"args", positional},
                         {"kwargs", keyword},
                         {"note", one.note}});
    }
    return {{"event_id", tried.event_id},
            {"outcome", tried.outcome},
            {"error", tried.error},
            {"lanes", tried.lanes},
            {"calls", std::move(calls)}};
}

void print_tried(Session& session, const odoo::Tried& tried) {
    auto& out = session.out();
    if (tried.outcome == "not_wanted") {
        out << "the rule's when says no: settled without a call\n";
        return;
    }
    if (!tried.event_id.empty()) {
        out << "event " << tried.event_id << '\n';
    }
    for (const auto& lane : tried.lanes) {
        out << "  waits for its turn in " << lane << '\n';
    }
    for (const auto& one : tried.calls) {
        out << "  " << one.step << ": " << format_call(one.call) << '\n';
        if (!one.note.empty()) {
            out << "    " << one.note << '\n';
        }
    }
    if (!tried.error.empty()) {
        out << "  " << tried.outcome << ": " << tried.error << '\n';
    }
}

ExitCode try_events(Session& session, const TryOptions& options) {
    const auto mapping = require_mapping(options.mapping);
    const auto events = read_events(options.events);
    std::unique_ptr<odoo::OdooClient> client;
    odoo::DryRun::Ask ask;
    if (!options.odoo.url.empty()) {
        client = connect_odoo(session, options.odoo);
        ask = [&client](const odoo::Call& call) { return client->call(call); };
    }
    odoo::DryRun run(mapping, ask);
    Outcome outcome;
    auto documents = nlohmann::ordered_json::array();
    for (const auto& event : events) {
        const auto tried = run.run(event);
        tried.error.empty() ? outcome.add_done() : outcome.add_failure(ExitCode::refused);
        if (session.is_json()) {
            documents.push_back(to_json(tried));
        } else {
            print_tried(session, tried);
        }
    }
    if (session.is_json()) {
        print_json(session, documents);
    }
    return outcome.exit_code();
}

}  // namespace

void add_odoo_try(Registry& registry) {
    auto options = std::make_shared<TryOptions>();
    CLI::App& command = add_command(
        registry,
        {"try",
         "Show the calls that events would lead to, without making them; with --against what "
         "reads is made, and nothing else",
         "millrace odoo try odoo-mrp.yaml --event event.json\n"
         "millrace odoo try odoo-mrp.yaml --event events.jsonl --against http://127.0.0.1:8069 "
         "--database plant --login millrace --key-file odoo.key"},
        options,
        try_events);
    command.add_option("MAPPING", options->mapping, "A mapping file")->required();
    command
        .add_option("--event",
                    options->events,
                    "An event as JSON, {\"topic\", \"key\", \"value\", \"headers\"}, or one a "
                    "line; - for stdin")
        ->required()
        ->type_name("FILE");
    add_odoo_target(command, options->odoo, "--against");
}

}  // namespace millrace::cli
