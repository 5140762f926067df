#include <algorithm>
#include <array>

#include "client/cli/commands/subscription/subscriptions.hpp"
#include "client/cli/text/position_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

using Milliseconds = std::chrono::milliseconds;

/// What both commands can set; times as they were written.
struct SubscriptionSettings {
    SubscriptionChange change;
    std::string ack_timeout;
    std::string backoff_min;
    std::string backoff_max;
    std::string unknown_backoff_min;
    std::string unknown_backoff_max;
    std::string probe_interval_max;
};
struct SubscriptionCreateOptions {
    SubscriptionDefinition definition;
    SubscriptionSettings settings;
    std::string from = "beginning";
    bool if_not_exists = false;
};
struct SubscriptionAlterOptions {
    std::string name;
    SubscriptionSettings settings;
};

SubscriptionChange change_of(const SubscriptionSettings& settings) {
    SubscriptionChange change = settings.change;
    const auto read =
        [](std::optional<Milliseconds>& target, const std::string& text, const char* what) {
            if (!text.empty()) {
                target = std::chrono::duration_cast<Milliseconds>(require_duration(text, what));
            }
        };
    read(change.ack_timeout, settings.ack_timeout, "--ack-timeout");
    read(change.backoff_min, settings.backoff_min, "--backoff-min");
    read(change.backoff_max, settings.backoff_max, "--backoff-max");
    read(change.unknown_backoff_min, settings.unknown_backoff_min, "--unknown-backoff-min");
    read(change.unknown_backoff_max, settings.unknown_backoff_max, "--unknown-backoff-max");
    read(change.probe_interval_max, settings.probe_interval_max, "--probe-interval-max");
    return change;
}

SubscriptionDefinition definition_of(const SubscriptionCreateOptions& options) {
    const auto set = [](auto& field, const auto& value) {
        if (value) {
            field = *value;
        }
    };
    const SubscriptionChange change = change_of(options.settings);
    SubscriptionDefinition definition = options.definition;
    definition.start = parse_start(options.from, "--from");
    set(definition.description, change.description);
    set(definition.filter, change.filter);
    set(definition.window, change.window);
    set(definition.ack_timeout, change.ack_timeout);
    set(definition.attempts_max, change.attempts_max);
    set(definition.backoff_min, change.backoff_min);
    set(definition.backoff_max, change.backoff_max);
    set(definition.unknown_attempts_max, change.unknown_attempts_max);
    set(definition.unknown_backoff_min, change.unknown_backoff_min);
    set(definition.unknown_backoff_max, change.unknown_backoff_max);
    set(definition.parked_keys_max, change.parked_keys_max);
    set(definition.parked_records_max, change.parked_records_max);
    set(definition.waiting_records_max, change.waiting_records_max);
    set(definition.probe_interval_max, change.probe_interval_max);
    set(definition.rate_per_s, change.rate_per_s);
    set(definition.rate_burst, change.rate_burst);
    set(definition.concurrency, change.concurrency);
    set(definition.dead_letter, change.dead_letter);
    set(definition.expired, change.expired);
    return definition;
}

ExitCode create_subscription(Session& session, const SubscriptionCreateOptions& options) {
    const SubscriptionDefinition definition = definition_of(options);
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

bool is_empty(const SubscriptionChange& change) {
    const std::array given{change.description.has_value(),
                           change.filter.has_value(),
                           change.window.has_value(),
                           change.ack_timeout.has_value(),
                           change.attempts_max.has_value(),
                           change.backoff_min.has_value(),
                           change.backoff_max.has_value(),
                           change.unknown_attempts_max.has_value(),
                           change.unknown_backoff_min.has_value(),
                           change.unknown_backoff_max.has_value(),
                           change.parked_keys_max.has_value(),
                           change.parked_records_max.has_value(),
                           change.waiting_records_max.has_value(),
                           change.probe_interval_max.has_value(),
                           change.rate_per_s.has_value(),
                           change.rate_burst.has_value(),
                           change.concurrency.has_value(),
                           change.dead_letter.has_value(),
                           change.expired.has_value()};
    return std::ranges::none_of(given, [](bool is_given) { return is_given; });
}

ExitCode alter_subscription(Session& session, const SubscriptionAlterOptions& options) {
    const SubscriptionChange change = change_of(options.settings);
    if (is_empty(change)) {
        throw UsageError("nothing to alter; see millrace subscription alter --help");
    }
    session.admin().alter_subscription(options.name, change);
    if (session.is_json()) {
        print_json(session, to_json(session.admin().describe_subscription(options.name)));
    }
    session.note("subscription " + options.name + " altered");
    return ExitCode::ok;
}

void add_times(CLI::App& app, SubscriptionSettings& settings) {
    struct Time {
        const char* name;
        std::string& text;
        const char* help;
    };
    const std::array times{
        Time{"--ack-timeout", settings.ack_timeout, "Unsettled for so long: comes again"},
        Time{"--backoff-min", settings.backoff_min, "Wait before the second attempt"},
        Time{"--backoff-max", settings.backoff_max, "Longest wait"},
        Time{"--unknown-backoff-min",
             settings.unknown_backoff_min,
             "The same where the outcome is unknown"},
        Time{"--unknown-backoff-max", settings.unknown_backoff_max, "Longest wait there"},
        Time{"--probe-interval-max",
             settings.probe_interval_max,
             "Longest wait between probes while the target is out"}};
    for (const auto& [name, text, help] : times) {
        app.add_option(name, text, help)->type_name("TIME");
    }
}

void add_counts(CLI::App& app, SubscriptionChange& change) {
    struct Count {
        const char* name;
        std::optional<std::uint32_t>& value;
        const char* help;
    };
    const std::array counts{
        Count{"--attempts", change.attempts_max, "Then it becomes a dead letter"},
        Count{"--unknown-attempts",
              change.unknown_attempts_max,
              "The same where the outcome is unknown; 0: as for others"},
        Count{"--concurrency", change.concurrency, "Records in flight, over all shards; 0: any"},
        Count{"--rate", change.rate_per_s, "Records a second, over all shards; 0: any"},
        Count{"--rate-burst", change.rate_burst, "How many of them at once; 0: those of a second"},
        Count{"--parked-keys", change.parked_keys_max, "It pauses above"},
        Count{"--parked-records", change.parked_records_max, "It pauses above"},
        Count{"--waiting-records", change.waiting_records_max, "It pauses above"}};
    app.add_option("--window", change.window, "Records in flight, per shard")
        ->check(positive_number())
        ->type_name("N");
    for (const auto& [name, value, help] : counts) {
        app.add_option(name, value, help)->type_name("N");
    }
}

void add_subscription_settings(CLI::App& app, SubscriptionSettings& settings) {
    SubscriptionChange& change = settings.change;
    app.add_option(
           "--filter", change.filter, "A jq program; what it does not want is not delivered")
        ->type_name("JQ");
    add_counts(app, change);
    add_times(app, settings);
    add_choice(app,
               "--dead-letter",
               change.dead_letter,
               choice(dead_letter_rule_names, "What becomes of a record that is given up"));
    add_choice(app,
               "--expired",
               change.expired,
               choice(expired_rule_names, "What becomes of a record behind its expires-at"));
    app.add_option("--description", change.description, "What it is for");
}

}  // namespace

void add_subscription_create_command(Registry& registry) {
    auto options = std::make_shared<SubscriptionCreateOptions>();
    SubscriptionDefinition& definition = options->definition;
    CLI::App& app = add_command(
        registry,
        {"create",
         "Create a durable queue over topics",
         "millrace subscription create odoo-mrp --topic 'plant1.mes.>'\n"
         "millrace subscription create audit --topic 'plant1.>' --order none --from end --window "
         "4096\n"
         "millrace subscription create scrap --topic 'plant1.>' --filter '.value.scrap > 0' --rate "
         "50"},
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
    add_subscription_settings(app, options->settings);
    app.add_flag("--if-not-exists", options->if_not_exists, "An existing one is fine");
}

void add_subscription_alter_command(Registry& registry) {
    auto options = std::make_shared<SubscriptionAlterOptions>();
    CLI::App& app = add_command(registry,
                                {"alter",
                                 "Change what is given, while it runs",
                                 "millrace subscription alter odoo-mrp --rate 200 --concurrency 8"},
                                options,
                                alter_subscription);
    app.add_option("NAME", options->name, "The subscription")->required();
    add_subscription_settings(app, options->settings);
}

}  // namespace millrace::cli
