#include <algorithm>
#include <ostream>
#include <tuple>

#include "client/cli/commands/subscription/subscriptions.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {

std::string state_of(const SubscriptionStatus& status) {
    if (status.paused) {
        return "paused";
    }
    if (status.draining) {
        return status.drained_us == 0 ? "draining" : "drained";
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

namespace {

std::string waiting_of(std::uint64_t count, std::int64_t next_us) {
    return format_count(count) + (next_us == 0 ? "" : ", the first until " + format_time(next_us));
}

std::string limits_of(const SubscriptionDefinition& definition) {
    const auto bound = [](std::uint32_t value, const std::string& unit) {
        return value == 0 ? "any" + unit : format_count(value) + unit;
    };
    return bound(definition.concurrency, " in flight over all shards, ") +
           bound(definition.rate_per_s, " a second, ") + format_count(definition.parked_keys_max) +
           " parked keys, " + format_count(definition.parked_records_max) + " parked records, " +
           format_count(definition.waiting_records_max) + " waiting";
}

std::string unknown_rule_of(const SubscriptionDefinition& definition) {
    const auto own = [](std::uint32_t value, std::uint32_t common) {
        return format_count(value == 0 ? common : value);
    };
    const auto own_time = [](std::chrono::milliseconds value, std::chrono::milliseconds common) {
        return format_duration(value.count() == 0 ? common : value);
    };
    return own(definition.unknown_attempts_max, definition.attempts_max) + " attempts, " +
           own_time(definition.unknown_backoff_min, definition.backoff_min) + " to " +
           own_time(definition.unknown_backoff_max, definition.backoff_max) + " between them";
}

/// What the circuit has done, the newest last.
void print_changes(Session& session, SubscriptionStatus& status) {
    if (status.circuit_changes.empty()) {
        return;
    }
    std::sort(status.circuit_changes.begin(),
              status.circuit_changes.end(),
              [](const auto& left, const auto& right) { return left.time_us < right.time_us; });
    session.out() << '\n';
    Table table({{"CIRCUIT"},
                 {"SHARD", Align::right},
                 {"FROM"},
                 {"TO"},
                 {"CAUSE"},
                 {"REASON", Align::left, 60}});
    for (const CircuitChange& change : status.circuit_changes) {
        table.append({format_time(change.time_us),
                      std::to_string(change.shard),
                      name_of(circuit_names, change.from),
                      name_of(circuit_names, change.to),
                      name_of(cause_names, change.cause),
                      change.reason});
    }
    table.print(session.out());
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
    facts.append("filter", definition.filter.empty() ? "-" : definition.filter);
    facts.append("settings",
                 "window " + format_count(definition.window) + ", ack within " +
                     format_duration(definition.ack_timeout) + ", " +
                     format_count(definition.attempts_max) + " attempts, " +
                     format_duration(definition.backoff_min) + " to " +
                     format_duration(definition.backoff_max) + " between them");
    facts.append("unknown outcome", unknown_rule_of(definition));
    facts.append("limits", limits_of(definition));
    facts.append("given up",
                 "dead letters " + name_of(dead_letter_rule_names, definition.dead_letter) +
                     ", expired " + name_of(expired_rule_names, definition.expired));
    facts.append("consumers", format_count(status.consumers));
    facts.append("lag",
                 format_count(status.lag_records) + " records, " +
                     format_duration(std::chrono::microseconds{status.lag_us}));
    facts.append("in flight", format_count(status.in_flight));
    facts.append("waiting to retry", waiting_of(status.waiting_retry, status.next_retry_us));
    facts.append("waiting for deliver-after",
                 waiting_of(status.waiting_delay, status.next_delay_us));
    facts.append("parked",
                 format_count(status.parked_records) + " records of " +
                     format_count(status.parked_keys) + " keys");
    facts.append("so far",
                 format_count(status.delivered) + " delivered, " + format_count(status.acked) +
                     " acked, " + format_count(status.nacked) + " nacked");
    facts.append("not delivered",
                 format_count(status.filtered) + " filtered, " +
                     format_count(status.filter_failed) + " failed in the filter, " +
                     format_count(status.expired) + " expired, " + format_count(status.dropped) +
                     " dropped");
    std::string causes;
    for (const auto& [cause, count] : status.letters_by_cause) {
        causes += (causes.empty() ? ": " : ", ") + format_count(count) + " " +
                  std::string(name_of(cause_names, cause));
    }
    if (status.oldest_letter_us > 0) {
        causes +=
            "; the oldest " + format_duration(std::chrono::microseconds{status.oldest_letter_us});
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
    print_changes(session, status);
    return ExitCode::ok;
}

}  // namespace

void add_subscription_describe_command(Registry& registry) {
    auto options = std::make_shared<NameOptions>();
    CLI::App& command = add_command(registry,
                                    {"describe",
                                     "Show state, settings, partitions and what the circuit did",
                                     "millrace subscription describe odoo-mrp"},
                                    options,
                                    describe_subscription);
    command.add_option("NAME", options->name, "The subscription")->required();
}

}  // namespace millrace::cli
