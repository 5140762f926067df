#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "client/cli/app/options.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/odoo/feed_status.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/text/enum_names.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

struct StatusOptions {
    std::string subscription = "odoo";
    std::string http = "127.0.0.1:7118";
    std::string window = "2s";
};

struct Shown {
    SubscriptionStatus queue;
    FeedStatus feed;
    double per_second = 0;
    double minutes = 0;
};

std::string with_digits(double value) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << value;
    return text.str();
}

double ratio(std::uint64_t sum, std::uint64_t count) {
    return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count);
}

std::string list_of(const std::map<std::string, std::uint64_t>& counts) {
    std::string text;
    for (const auto& [name, count] : counts) {
        text += (text.empty() ? "" : ", ") + name + " " + format_count(count);
    }
    return text;
}

Shown look(Session& session, const StatusOptions& options) {
    Admin admin = session.admin();
    const auto before = admin.describe_subscription(options.subscription).acked;
    const auto begin = std::chrono::steady_clock::now();
    watch_stop_signals();
    wait_until(begin + require_duration(options.window, "--for"));
    Shown shown{.queue = admin.describe_subscription(options.subscription),
                .feed = read_feed(parse_metrics(fetch_metrics(options.http)))};
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const auto moved = shown.queue.acked > before ? shown.queue.acked - before : 0;
    shown.per_second = static_cast<double>(moved) / std::max(seconds.count(), 1e-3);
    shown.minutes = minutes_left(shown.queue.lag_records, shown.per_second);
    return shown;
}

nlohmann::ordered_json sources_json(const FeedStatus& feed) {
    auto sources = nlohmann::ordered_json::array();
    for (const auto& [name, source] : feed.sources) {
        sources.push_back({{"model", name},
                           {"hints", source.hints},
                           {"events", source.events},
                           {"found_by_sweep", source.found_by_sweep},
                           {"sweep_age_s",
                            source.sweep_age_s ? nlohmann::ordered_json(*source.sweep_age_s)
                                               : nlohmann::ordered_json()},
                           {"sweep_stopped", source.is_sweep_stopped},
                           {"faults", source.faults},
                           {"last_cause", source.last_cause},
                           {"last_fault_s", source.last_fault_s}});
    }
    return sources;
}

nlohmann::ordered_json to_json(const Shown& shown) {
    auto models = nlohmann::ordered_json::array();
    for (const auto& [name, model] : shown.feed.models) {
        models.push_back({{"model", name},
                          {"calls", model.calls},
                          {"rows", model.rows},
                          {"rows_per_call", ratio(model.rows, model.calls)},
                          {"call_ms_mean", ratio(model.us, model.calls) / 1'000},
                          {"methods", model.methods},
                          {"faults", model.faults}});
    }
    return {{"subscription", shown.queue.definition.name},
            {"circuit", name_of(circuit_names, shown.queue.circuit)},
            {"reason", shown.queue.reason},
            {"lag_records", shown.queue.lag_records},
            {"lag_us", shown.queue.lag_us},
            {"records_per_second", shown.per_second},
            {"minutes_left",
             shown.minutes < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(shown.minutes)},
            {"held", shown.feed.held},
            {"connections", shown.feed.connections},
            {"letters_open", shown.queue.letters_open},
            {"events", shown.feed.events},
            {"stopped", shown.feed.stopped},
            {"models", std::move(models)},
            {"hints_held", shown.feed.hints_held},
            {"sources", sources_json(shown.feed)}};
}

void print_models(Session& session, const FeedStatus& feed) {
    if (feed.models.empty()) {
        return;
    }
    session.out() << '\n';
    Table table({{"MODEL"},
                 {"CALLS", Align::right},
                 {"ROWS/CALL", Align::right},
                 {"MS/CALL", Align::right},
                 {"METHODS"},
                 {"FAULTS"}});
    for (const auto& [name, model] : feed.models) {
        table.append({name,
                      format_count(model.calls),
                      with_digits(ratio(model.rows, model.calls)),
                      with_digits(ratio(model.us, model.calls) / 1'000),
                      list_of(model.methods),
                      list_of(model.faults)});
    }
    table.print(session.out());
}

std::string sweep_text(const SourceStatus& source) {
    if (source.is_sweep_stopped) {
        return "stopped";
    }
    return source.sweep_age_s ? format_duration(std::chrono::seconds(*source.sweep_age_s)) + " ago"
                              : "none";
}

std::string fault_text(const SourceStatus& source) {
    if (source.last_fault_s == 0) {
        return "";
    }
    const auto age = std::chrono::seconds(
        std::max<std::int64_t>(0, unix_now_us() / 1'000'000 - source.last_fault_s));
    return source.last_cause + ", " + format_duration(age) + " ago";
}

/// The other way: what is read of Odoo.
void print_sources(Session& session, const FeedStatus& feed) {
    if (feed.sources.empty()) {
        return;
    }
    session.out() << "\nread of Odoo, " << format_count(feed.hints_held) << " hints held\n";
    Table table({{"MODEL"},
                 {"HINTS"},
                 {"READ BACK"},
                 {"ONLY BY SWEEP", Align::right},
                 {"SWEPT"},
                 {"FAULTS", Align::right},
                 {"LAST FAULT"}});
    for (const auto& [name, source] : feed.sources) {
        table.append({name,
                      list_of(source.hints),
                      list_of(source.events),
                      format_count(source.found_by_sweep),
                      sweep_text(source),
                      format_count(source.faults),
                      fault_text(source)});
    }
    table.print(session.out());
}

void print_table(Session& session, const Shown& shown) {
    const auto lag = std::chrono::microseconds(shown.queue.lag_us);
    const auto left = shown.minutes < 0 ? std::string("nothing moves")
                                        : with_digits(shown.minutes) + " min at the present rate";
    Facts facts;
    facts.append("subscription", shown.queue.definition.name);
    facts.append("circuit",
                 name_of(circuit_names, shown.queue.circuit) +
                     (shown.queue.reason.empty() ? "" : ": " + shown.queue.reason));
    facts.append("backlog",
                 format_count(shown.queue.lag_records) + " records, the oldest " +
                     format_duration(lag) + " old, " + left);
    facts.append("rate", with_digits(shown.per_second) + " records/s");
    facts.append("in Odoo's hands",
                 format_count(shown.feed.held) + " events, at most " +
                     format_count(shown.feed.connections) + " calls at a time");
    facts.append("events", list_of(shown.feed.events));
    facts.append("dead letters", format_count(shown.queue.letters_open) + " open");
    for (const auto& place : shown.feed.stopped) {
        facts.append("stopped", place + ": the user has no right, see the reason above");
    }
    facts.print(session.out());
    print_models(session, shown.feed);
    print_sources(session, shown.feed);
}

ExitCode print_status(Session& session, const StatusOptions& options) {
    const auto shown = look(session, options);
    if (session.is_json()) {
        print_json(session, to_json(shown));
    } else {
        print_table(session, shown);
    }
    return ExitCode::ok;
}

}  // namespace

void add_odoo_status(Registry& registry) {
    auto options = std::make_shared<StatusOptions>();
    CLI::App& command = add_command(registry,
                                    {"status",
                                     "Show how Odoo is being fed: per model calls, rows per call, "
                                     "time, faults; circuit and backlog in minutes",
                                     "millrace odoo status --subscription odoo-mrp"},
                                    options,
                                    print_status);
    command.add_option("--subscription", options->subscription, "The queue that feeds Odoo")
        ->capture_default_str();
    command.add_option("--http", options->http, "Where the broker shows its metrics")
        ->envname("MILLRACE_HTTP")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    command.add_option("--for", options->window, "How long to look for the rate")
        ->type_name("TIME")
        ->capture_default_str();
}

}  // namespace millrace::cli
