#include <chrono>
#include <ostream>
#include <thread>

#include "client/cli/app/options.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/commands/subscription/subscriptions.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

ExitCode list_subscriptions(Session& session, const NameOptions&) {
    const auto subscriptions = session.admin().list_subscriptions();
    if (session.is_json()) {
        print_json_list(session, subscriptions);
        return ExitCode::ok;
    }
    Table table({{"SUBSCRIPTION"},
                 {"TOPICS", Align::left, 40},
                 {"STATE"},
                 {"CONSUMERS", Align::right},
                 {"LAG", Align::right},
                 {"BEHIND", Align::right},
                 {"IN FLIGHT", Align::right},
                 {"PARKED", Align::right},
                 {"LETTERS", Align::right}});
    for (const SubscriptionStatus& status : subscriptions) {
        table.append({status.definition.name,
                      join(status.definition.topics),
                      state_of(status),
                      format_count(status.consumers),
                      format_count(status.lag_records),
                      format_duration(std::chrono::microseconds{status.lag_us}),
                      format_count(status.in_flight),
                      format_count(status.parked_records),
                      format_count(status.letters_open)});
    }
    table.print(session.out());
    return ExitCode::ok;
}

ExitCode remove_subscription(Session& session, const NameOptions& options) {
    session.admin().delete_subscription(options.name);
    session.note("subscription " + options.name + " removed");
    return ExitCode::ok;
}

ExitCode pause_subscription(Session& session, const NameOptions& options) {
    session.admin().pause_subscription(options.name, options.text);
    session.note("subscription " + options.name + " paused");
    return ExitCode::ok;
}

constexpr std::chrono::milliseconds drain_look_interval{200};

/// How many are in flight, until there are none or the time is over.
bool wait_until_drained(Session& session, const NameOptions& options) {
    const auto end = std::chrono::steady_clock::now() + require_duration(options.wait, "--wait");
    while (true) {
        const auto status = session.admin().describe_subscription(options.name);
        if (!status.draining) {
            session.warn("subscription " + options.name +
                         " does not drain any more: " + state_of(status));
            return false;
        }
        if (status.drained_us != 0) {
            return true;
        }
        if (is_stop_requested() || std::chrono::steady_clock::now() >= end) {
            session.warn(format_count(status.in_flight) + " still in flight");
            return false;
        }
        std::this_thread::sleep_for(drain_look_interval);
    }
}

ExitCode drain_subscription(Session& session, const NameOptions& options) {
    watch_stop_signals();
    session.admin().drain_subscription(options.name, options.text);
    if (options.wait.empty()) {
        session.note("subscription " + options.name + " drains");
        return ExitCode::ok;
    }
    if (!wait_until_drained(session, options)) {
        return ExitCode::partly;
    }
    session.note("subscription " + options.name + " is drained");
    return ExitCode::ok;
}

ExitCode resume_subscription(Session& session, const NameOptions& options) {
    session.admin().resume_subscription(options.name);
    session.note("subscription " + options.name + " resumed");
    return ExitCode::ok;
}

ExitCode seek_subscription(Session& session, const NameOptions& options) {
    const StartPosition to = parse_start(options.text, "--to");
    session.admin().seek_subscription(options.name, to);
    session.note("subscription " + options.name + " goes on at " + format_start(to));
    return ExitCode::ok;
}

using NameAction = ExitCode (*)(Session&, const NameOptions&);

std::pair<CLI::App*, std::shared_ptr<NameOptions>> add_named(Registry& registry,
                                                             const CommandText& text,
                                                             NameAction run) {
    auto options = std::make_shared<NameOptions>();
    CLI::App& command = add_command(registry, text, options, run);
    command.add_option("NAME", options->name, "The subscription")->required();
    return {&command, options};
}

void add_named_commands(Registry& registry) {
    add_named(registry,
              {"rm", "Remove it with its state", "millrace subscription rm odoo-mrp"},
              remove_subscription)
        .first->alias("delete");
    const auto [pause, pause_options] =
        add_named(registry,
                  {"pause",
                   "Deliver nothing until resumed",
                   "millrace subscription pause odoo-mrp --reason 'Odoo upgrade'"},
                  pause_subscription);
    pause->add_option("--reason", pause_options->text, "Shown to whoever wonders");
    const auto [drain, drain_options] =
        add_named(registry,
                  {"drain",
                   "Hand out nothing more, let what is in flight be settled",
                   "millrace subscription drain odoo-mrp --reason 'Odoo upgrade' --wait 1m"},
                  drain_subscription);
    drain->add_option("--reason", drain_options->text, "Shown to whoever wonders");
    drain->add_option("--wait", drain_options->wait, "Until nothing is in flight, for so long")
        ->type_name("TIME");
    add_named(registry,
              {"resume", "Deliver again", "millrace subscription resume odoo-mrp"},
              resume_subscription);
    const auto [seek, seek_options] =
        add_named(registry,
                  {"seek",
                   "Set where it goes on",
                   "millrace subscription seek odoo-mrp --to @2026-11-20T06:00"},
                  seek_subscription);
    seek->add_option("--to", seek_options->text, "beginning, end or @TIME")
        ->required()
        ->type_name("POSITION");
}

}  // namespace

void add_subscription_commands(Registry& registry) {
    CLI::App& family = add_family(
        registry.app, {"subscription", "Create, watch, pause and consume durable queues", ""});
    family.alias("sub");
    Registry inner{family, registry.chosen};
    add_subscription_create_command(inner);
    add_subscription_alter_command(inner);
    add_subscription_describe_command(inner);
    add_command(inner,
                {"ls", "List subscriptions", "millrace subscription ls"},
                std::make_shared<NameOptions>(),
                list_subscriptions)
        .alias("list");
    add_named_commands(inner);
    add_subscription_consume_command(inner);
}

}  // namespace millrace::cli
