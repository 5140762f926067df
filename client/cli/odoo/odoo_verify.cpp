#include <map>
#include <ostream>

#include "broker/odoo/tools/reconcile.hpp"
#include "client/cli/app/progress.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/odoo/odoo_target.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"
#include "client/expressions/outside_json.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

constexpr std::size_t detail_width_max = 60;

struct VerifyOptions {
    OdooOptions odoo;
    std::string mapping;
    std::string from;
    std::string to = "now";
    std::vector<std::string> topics;
    bool skips_doubles = false;
};

std::vector<std::string> topics_of(const VerifyOptions& options, const odoo::Mapping& mapping) {
    if (!options.topics.empty()) {
        return options.topics;
    }
    std::vector<std::string> topics;
    for (const auto& rule : mapping.rules()) {
        topics.insert(topics.end(), rule.topics.begin(), rule.topics.end());
    }
    return topics;
}

/// When topics came to be, which is a part of what their events are called.
class TopicTimes {
  public:
    explicit TopicTimes(Session& session) : admin_(session.admin()) {}
    std::int64_t of(std::string_view topic) {
        auto found = times_.find(topic);
        if (found == times_.end()) {
            const std::string name(topic);
            found = times_.emplace(name, admin_.describe_topic(name).created_us).first;
        }
        return found->second;
    }

  private:
    Admin admin_;
    std::map<std::string, std::int64_t, std::less<>> times_;
};

odoo::Scope scope_of(const Record& record, TopicTimes& times) {
    // As the sink reads it, which gives up on what is nested too deep.
    const auto value = expressions::parse_outside_json(record.value);
    nlohmann::json json{{"topic", record.topic},
                        {"topic_created", times.of(record.topic)},
                        {"partition", record.partition},
                        {"offset", record.offset},
                        {"append_time", record.append_time_us},
                        {"event_time", record.event_time_us},
                        {"key", nullptr},
                        {"headers", nlohmann::json::object()},
                        {"value", value.is_discarded() ? nlohmann::json(record.value) : value}};
    if (record.key) {
        json["key"] = *record.key;
    }
    for (const auto& header : record.headers) {
        json["headers"][header.key] = header.value;
    }
    return require(odoo::Scope::of_json(json.dump()));
}

nlohmann::ordered_json to_json(const odoo::Reconciled& result) {
    auto findings = nlohmann::ordered_json::array();
    for (const auto& one : result.findings) {
        findings.push_back({{"kind", one.kind},
                            {"event_id", one.event_id},
                            {"place", one.place},
                            {"model", one.model},
                            {"record", one.record},
                            {"detail", one.detail}});
    }
    auto unverified = nlohmann::ordered_json::array();
    for (const auto& one : result.unverified) {
        unverified.push_back(
            {{"place", one.place}, {"model", one.model}, {"steps", one.steps}, {"why", one.why}});
    }
    return {{"events", result.events},
            {"not_wanted", result.not_wanted},
            {"unplanned", result.unplanned},
            {"guarded", result.guarded},
            {"records", result.records},
            {"findings", std::move(findings)},
            {"unverified", std::move(unverified)}};
}

std::string count_of(const odoo::Reconciled& result, const std::string& kind) {
    return format_count(static_cast<std::uint64_t>(
        std::ranges::count(result.findings, kind, &odoo::Finding::kind)));
}

void print_unverified(Session& session, const odoo::Reconciled& result) {
    Table table({{"NOT VERIFIED"}, {"MODEL"}, {"STEPS", Align::right}, {"WHY"}});
    for (const auto& one : result.unverified) {
        table.append({one.place, one.model, format_count(one.steps), one.why});
    }
    if (table.row_count() != 0) {
        table.print(session.out());
        session.out() << '\n';
    }
}

std::uint64_t unverified_steps(const odoo::Reconciled& result) {
    std::uint64_t steps = 0;
    for (const auto& one : result.unverified) {
        steps += one.steps;
    }
    return steps;
}

void print_table(Session& session, const odoo::Reconciled& result) {
    if (!result.findings.empty()) {
        Table table({{"KIND"},
                     {"EVENT"},
                     {"RECORD"},
                     {"MODEL"},
                     {"RECORD IN ODOO"},
                     {"DETAIL", Align::left, detail_width_max}});
        for (const auto& one : result.findings) {
            table.append({one.kind, one.event_id, one.place, one.model, one.record, one.detail});
        }
        table.print(session.out());
        session.out() << '\n';
    }
    print_unverified(session, result);
    Facts facts;
    facts.append("events", format_count(result.events));
    facts.append("settled without a record", format_count(result.not_wanted));
    facts.append("without a plan (dead letters)", format_count(result.unplanned));
    facts.append("steps a guard leaves out today", format_count(result.guarded));
    facts.append("steps that cannot be verified", format_count(unverified_steps(result)));
    facts.append("records compared", format_count(result.records));
    facts.append("missing", count_of(result, "missing"));
    facts.append("doubled", count_of(result, "doubled"));
    facts.append("different", count_of(result, "different"));
    facts.append("could not be compared", count_of(result, "failed"));
    facts.print(session.out());
}

void add_all(const std::vector<Record>& records, TopicTimes& times, odoo::Reconcile& reconcile) {
    for (const Record& record : records) {
        if (auto added = reconcile.add(scope_of(record, times)); !added) {
            raise(added.error());
        }
    }
}

ExitCode verify(Session& session, const VerifyOptions& options) {
    const auto mapping = require_mapping(options.mapping);
    const std::int64_t now_us = unix_now_us();
    const auto from_us = require_time(options.from, now_us, "--from");
    const auto to_us = require_time(options.to, now_us, "--to");
    if (from_us >= to_us) {
        throw UsageError("--to is not after --from");
    }
    const auto client = connect_odoo(session, options.odoo);
    odoo::Reconcile reconcile(mapping,
                              [&client](const odoo::Call& call) { return client->call(call); },
                              {.looks_for_doubles = !options.skips_doubles});
    Replay replay = session.client().replay(
        {.topics = topics_of(options, mapping), .from_us = from_us, .to_us = to_us});
    TopicTimes times(session);
    watch_stop_signals();
    Progress progress(session, "compared");
    std::uint64_t count = 0;
    for (auto records = replay.read(); !records.empty(); records = replay.read()) {
        add_all(records, times, reconcile);
        progress.update({.count = count += records.size(), .share = -1});
        if (is_stop_requested()) {
            return ExitCode::partly;
        }
    }
    const auto result = require(reconcile.finish());
    if (session.is_json()) {
        print_json(session, to_json(result));
    } else {
        print_table(session, result);
    }
    if (result.events == 0) {
        session.warn("no event lies in the window, so nothing was compared");
        return ExitCode::not_found;
    }
    return result.findings.empty() ? ExitCode::ok : ExitCode::refused;
}

}  // namespace

void add_odoo_verify(Registry& registry) {
    auto options = std::make_shared<VerifyOptions>();
    CLI::App& command = add_command(
        registry,
        {"verify",
         "Compare a window of events with what stands in Odoo: missing, doubled, different. Ends "
         "with 1 when something is, or could not be compared, with 3 when no event lies in the "
         "window",
         "millrace odoo verify --mapping odoo-mrp.yaml --from 2026-11-01 --to 2026-12-01 --url "
         "http://127.0.0.1:8069 --database plant --login millrace --key-file odoo.key"},
        options,
        verify);
    command.add_option("--mapping", options->mapping, "The mapping that fed Odoo")
        ->required()
        ->type_name("FILE");
    command.add_option("--from", options->from, "Where the window begins, by append time")
        ->required()
        ->type_name("TIME");
    command.add_option("--to", options->to, "Where it ends")
        ->type_name("TIME")
        ->capture_default_str();
    add_topics(command, options->topics, "Only these topics; without: all of the mapping");
    command.add_flag("--skip-doubled", options->skips_doubles, "Do not look for doubles: faster");
    add_odoo_target(command, options->odoo, "--url");
}

}  // namespace millrace::cli
