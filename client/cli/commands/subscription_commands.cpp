#include <algorithm>
#include <ostream>
#include <tuple>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct CreateOptions {
    SubscriptionDefinition definition;
    std::string from = "beginning";
    std::string ack_timeout;
    std::string backoff_min;
    std::string backoff_max;
    bool if_not_exists = false;
};
struct NameOptions {
    std::string name;
    std::string text;  ///< the reason of a pause, the position of a seek
};

void apply_duration(std::chrono::milliseconds& target, const std::string& text, const char* what) {
    if (!text.empty()) {
        target =
            std::chrono::duration_cast<std::chrono::milliseconds>(require_duration(text, what));
    }
}

std::string state_of(const SubscriptionStatus& status) {
    if (status.paused) {
        return "paused";
    }
    if (status.circuit != Circuit::closed) {
        return "circuit " + name_of(circuit_names, status.circuit);
    }
    return status.consumers == 0 ? "no consumer" : "flowing";
}

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : ", ") + word;
    }
    return out;
}

ExitCode create_subscription(Session& session, const CreateOptions& options) {
    SubscriptionDefinition definition = options.definition;
    definition.start = parse_start(options.from, "--from");
    apply_duration(definition.ack_timeout, options.ack_timeout, "--ack-timeout");
    apply_duration(definition.backoff_min, options.backoff_min, "--backoff-min");
    apply_duration(definition.backoff_max, options.backoff_max, "--backoff-max");
    if (options.if_not_exists) {
        session.admin().ensure_subscription(definition);
    } else {
        session.admin().create_subscription(definition);
    }
    if (session.is_json()) {
        print_json(session, to_json(session.admin().describe_subscription(definition.name)));
    }
    session.note("subscription " + definition.name + " stands");
    return ExitCode::ok;
}

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

Facts facts_of(const SubscriptionStatus& status) {
    const SubscriptionDefinition& definition = status.definition;
    Facts facts;
    facts.append("subscription", definition.name);
    facts.append("description", definition.description.empty() ? "-" : definition.description);
    facts.append("topics", join(definition.topics));
    facts.append("state", state_of(status) + (status.reason.empty() ? "" : ": " + status.reason));
    facts.append("order", name_of(order_names, definition.order));
    facts.append("began at", format_start(definition.start));
    facts.append("settings",
                 "window " + format_count(definition.window) + ", ack within " +
                     format_duration(definition.ack_timeout) + ", " +
                     format_count(definition.attempts_max) + " attempts, " +
                     format_duration(definition.backoff_min) + " to " +
                     format_duration(definition.backoff_max) + " between them");
    facts.append("consumers", format_count(status.consumers));
    facts.append("lag",
                 format_count(status.lag_records) + " records, " +
                     format_duration(std::chrono::microseconds{status.lag_us}));
    facts.append("in flight", format_count(status.in_flight));
    facts.append("waiting to retry", format_count(status.waiting_retry));
    facts.append("parked",
                 format_count(status.parked_records) + " records of " +
                     format_count(status.parked_keys) + " keys");
    facts.append("so far",
                 format_count(status.delivered) + " delivered, " + format_count(status.acked) +
                     " acked, " + format_count(status.nacked) + " nacked");
    std::string causes;
    for (const auto& [cause, count] : status.letters_by_cause) {
        causes += (causes.empty() ? ": " : ", ") + format_count(count) + " " +
                  std::string(name_of(cause_names, cause));
    }
    facts.append("open dead letters", format_count(status.letters_open) + causes);
    return facts;
}

ExitCode describe_subscription(Session& session, const NameOptions& options) {
    SubscriptionStatus status = session.admin().describe_subscription(options.name);
    std::sort(status.partitions.begin(),
              status.partitions.end(),
              [](const auto& left, const auto& right) {
                  return std::tie(left.topic, left.partition) <
                         std::tie(right.topic, right.partition);
              });
    if (session.is_json()) {
        print_json(session, to_json(status));
        return ExitCode::ok;
    }
    facts_of(status).print(session.out());
    session.out() << '\n';
    Table table({{"TOPIC"},
                 {"PARTITION", Align::right},
                 {"SETTLED BELOW", Align::right},
                 {"AND ABOVE", Align::right},
                 {"NEXT", Align::right}});
    for (const SubscriptionPartitionStatus& partition : status.partitions) {
        table.append({partition.topic,
                      std::to_string(partition.partition),
                      std::to_string(partition.floor),
                      format_count(partition.settled_above_floor),
                      std::to_string(partition.next_offset)});
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

void add_create(Registry& registry) {
    auto options = std::make_shared<CreateOptions>();
    SubscriptionDefinition& definition = options->definition;
    CLI::App& app = add_command(
        registry,
        {"create",
         "Create a durable queue over topics",
         "millrace subscription create odoo-mrp --topic 'plant1.mes.>'\n"
         "millrace subscription create audit --topic 'plant1.>' --order none --from end --window "
         "4096"},
        options,
        create_subscription);
    app.add_option("NAME", definition.name, "Its name")->required();
    add_topics(app, definition.topics, "Topics or patterns")->required();
    add_choice(app,
               "--order",
               definition.order,
               choice(order_names, "key: records of a key one after another"));
    app.add_option("--from", options->from, "beginning, end or @TIME")
        ->type_name("POSITION")
        ->capture_default_str();
    app.add_option("--window", definition.window, "Records in flight, per shard")
        ->check(CLI::Validator(CLI::PositiveNumber).description(""))
        ->capture_default_str();
    app.add_option("--ack-timeout", options->ack_timeout, "Unsettled for so long: comes again")
        ->type_name("TIME");
    app.add_option("--attempts", definition.attempts_max, "Then it becomes a dead letter")
        ->check(CLI::Validator(CLI::PositiveNumber).description(""))
        ->capture_default_str();
    app.add_option("--backoff-min", options->backoff_min, "Wait before the second attempt")
        ->type_name("TIME");
    app.add_option("--backoff-max", options->backoff_max, "Longest wait")->type_name("TIME");
    app.add_option("--parked-keys", definition.parked_keys_max, "It pauses above")
        ->capture_default_str();
    app.add_option("--parked-records", definition.parked_records_max, "It pauses above")
        ->capture_default_str();
    app.add_option("--description", definition.description, "What it is for");
    app.add_flag("--if-not-exists", options->if_not_exists, "An existing one is fine");
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
              {"describe",
               "Show state, settings and partitions",
               "millrace subscription describe odoo-mrp"},
              describe_subscription);
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
    add_create(inner);
    add_command(inner,
                {"ls", "List subscriptions", "millrace subscription ls"},
                std::make_shared<NameOptions>(),
                list_subscriptions)
        .alias("list");
    add_named_commands(inner);
    add_subscription_consume_command(inner);
}

}  // namespace millrace::cli
