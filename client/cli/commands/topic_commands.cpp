#include <iostream>
#include <ostream>

#include <unistd.h>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

/// What `create` and `alter` share; what was not given stays as it is.
struct TopicSettings {
    std::optional<std::uint32_t> partitions;
    std::string retention;
    std::string retention_bytes;
    std::optional<Criticality> criticality;
    std::optional<Lifecycle> lifecycle;
    std::optional<std::string> owner;
    std::optional<std::string> description;
    std::string record_bytes_max;
    std::optional<std::string> replaced_by;
    std::string duplicate_window;
    std::optional<bool> clustered;
    std::optional<Durability> durability;
};
struct CreateOptions {
    std::vector<std::string> names;
    TopicSettings settings;
    bool if_not_exists = false;
};
struct AlterOptions {
    std::string name;
    TopicSettings settings;
};
struct NamesOptions {
    std::vector<std::string> names;
    bool yes = false;
};

std::optional<std::uint64_t> retention_ms_of(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    if (text == "forever") {
        return 0;
    }
    return static_cast<std::uint64_t>(require_duration(text, "--retention").count() / 1'000);
}

std::optional<std::uint64_t> window_ms_of(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    if (text == "off") {
        return 0;
    }
    return static_cast<std::uint64_t>(require_duration(text, "--duplicate-window").count() / 1'000);
}

std::optional<std::uint64_t> bytes_of(const std::string& text, const char* what) {
    if (text.empty()) {
        return std::nullopt;
    }
    return text == "unlimited" ? 0 : require_bytes(text, what);
}

TopicChange change_of(const TopicSettings& settings) {
    TopicChange change;
    change.partition_count = settings.partitions;
    change.retention_ms = retention_ms_of(settings.retention);
    change.retention_bytes = bytes_of(settings.retention_bytes, "--retention-bytes");
    change.criticality = settings.criticality;
    change.lifecycle = settings.lifecycle;
    change.owner = settings.owner;
    change.description = settings.description;
    change.replaced_by = settings.replaced_by;
    change.duplicate_window_ms = window_ms_of(settings.duplicate_window);
    change.clustered = settings.clustered;
    change.durability = settings.durability;
    if (const auto limit = bytes_of(settings.record_bytes_max, "--record-max")) {
        if (*limit > UINT32_MAX) {
            throw UsageError("--record-max: at most 4 GiB");
        }
        change.record_bytes_max = static_cast<std::uint32_t>(*limit);
    }
    return change;
}

TopicDescription description_of(const std::string& name, const TopicChange& change) {
    TopicDescription topic;
    topic.name = name;
    topic.partition_count = change.partition_count.value_or(topic.partition_count);
    topic.retention_ms = change.retention_ms.value_or(0);
    topic.retention_bytes = change.retention_bytes.value_or(0);
    topic.criticality = change.criticality.value_or(topic.criticality);
    topic.lifecycle = change.lifecycle.value_or(topic.lifecycle);
    topic.owner = change.owner.value_or("");
    topic.description = change.description.value_or("");
    topic.record_bytes_max = change.record_bytes_max.value_or(0);
    topic.replaced_by = change.replaced_by.value_or("");
    topic.duplicate_window_ms = change.duplicate_window_ms.value_or(topic.duplicate_window_ms);
    topic.clustered = change.clustered.value_or(false);
    topic.durability = change.durability.value_or(topic.durability);
    return topic;
}

std::string length_text(std::uint64_t milliseconds) {
    constexpr std::uint64_t shown_max = INT64_MAX / 1'000;
    return format_duration(
        std::chrono::milliseconds{static_cast<std::int64_t>(std::min(milliseconds, shown_max))});
}

std::string retention_text(const TopicDescription& topic) {
    const std::string time = topic.retention_ms == 0 ? "forever" : length_text(topic.retention_ms);
    return topic.retention_bytes == 0 ? time
                                      : time + ", at most " + format_bytes(topic.retention_bytes);
}

ExitCode create_topics(Session& session, const CreateOptions& options) {
    const TopicChange settings = change_of(options.settings);
    Outcome outcome;
    std::vector<TopicDescription> made;
    for (const std::string& name : options.names) {
        try {
            const TopicDescription wanted = description_of(name, settings);
            made.push_back(options.if_not_exists ? session.admin().ensure_topic(wanted)
                                                 : session.admin().create_topic(wanted));
            outcome.add_done();
            session.note("topic " + name + " has " + format_count(made.back().partition_count) +
                         (made.back().partition_count == 1 ? " partition" : " partitions"));
        } catch (const ClientError& error) {
            session.warn(name + ": " + error.what());
            outcome.add_failure(exit_code_of(error));
        }
    }
    if (session.is_json()) {
        print_json_list(session, made);
    }
    return outcome.exit_code();
}

ExitCode list_topics(Session& session, const NamesOptions& options) {
    const auto topics = session.admin().list_topics(options.names);
    if (session.is_json()) {
        print_json_list(session, topics);
        return ExitCode::ok;
    }
    Table table({{"TOPIC"},
                 {"PARTITIONS", Align::right},
                 {"RETENTION"},
                 {"CRITICALITY"},
                 {"LIFECYCLE"},
                 {"OWNER"},
                 {"DESCRIPTION", Align::left, 50}});
    for (const TopicDescription& topic : topics) {
        table.append({topic.name,
                      std::to_string(topic.partition_count),
                      retention_text(topic),
                      name_of(criticality_names, topic.criticality),
                      name_of(lifecycle_names, topic.lifecycle),
                      topic.owner,
                      topic.description});
    }
    table.print(session.out());
    return ExitCode::ok;
}

void print_topic(std::ostream& out, const TopicDescription& topic) {
    Facts facts;
    facts.append("topic", topic.name);
    facts.append("description", topic.description.empty() ? "-" : topic.description);
    facts.append("owner", topic.owner.empty() ? "-" : topic.owner);
    facts.append("criticality", name_of(criticality_names, topic.criticality));
    facts.append("lifecycle",
                 name_of(lifecycle_names, topic.lifecycle) +
                     (topic.replaced_by.empty() ? "" : ", replaced by " + topic.replaced_by));
    facts.append("retention", retention_text(topic));
    facts.append(
        "record limit",
        topic.record_bytes_max == 0 ? "the broker's" : format_bytes(topic.record_bytes_max));
    facts.append("duplicate window",
                 topic.duplicate_window_ms == 0 ? "off" : length_text(topic.duplicate_window_ms));
    facts.append("clustered", topic.clustered ? "yes" : "no");
    facts.append("durability", name_of(durability_names, topic.durability));
    facts.append("created", format_time(topic.created_us));
    facts.print(out);
    out << '\n';
    Table table({{"PARTITION", Align::right},
                 {"SHARD", Align::right},
                 {"FIRST", Align::right},
                 {"NEXT", Align::right},
                 {"RECORDS", Align::right},
                 {"SIZE", Align::right}});
    for (const TopicPartition& partition : topic.partitions) {
        table.append({std::to_string(partition.index),
                      std::to_string(partition.shard),
                      std::to_string(partition.first_offset),
                      std::to_string(partition.next_offset),
                      format_count(partition.next_offset - partition.first_offset),
                      format_bytes(partition.live_bytes)});
    }
    table.print(out);
}

ExitCode describe_topics(Session& session, const NamesOptions& options) {
    std::vector<TopicDescription> topics;
    for (const std::string& name : options.names) {
        topics.push_back(session.admin().describe_topic(name));
    }
    if (session.is_json()) {
        if (topics.size() == 1) {
            print_json(session, to_json(topics.front()));
        } else {
            print_json_list(session, topics);
        }
        return ExitCode::ok;
    }
    for (std::size_t i = 0; i < topics.size(); ++i) {
        session.out() << (i == 0 ? "" : "\n");
        print_topic(session.out(), topics[i]);
    }
    return ExitCode::ok;
}

ExitCode alter_topic(Session& session, const AlterOptions& options) {
    const TopicChange change = change_of(options.settings);
    const bool is_empty = !change.partition_count && !change.retention_ms &&
                          !change.retention_bytes && !change.criticality && !change.lifecycle &&
                          !change.owner && !change.description && !change.record_bytes_max &&
                          !change.replaced_by && !change.duplicate_window_ms && !change.clustered &&
                          !change.durability;
    if (is_empty) {
        throw UsageError("nothing to alter; see millrace topic alter --help");
    }
    const TopicDescription topic = session.admin().alter_topic(options.name, change);
    if (session.is_json()) {
        print_json(session, to_json(topic));
    }
    session.note("topic " + options.name + " altered");
    return ExitCode::ok;
}

/// Records go with the topic: a person is asked, a script says --yes.
void require_consent(Session& session, const NamesOptions& options) {
    if (options.yes) {
        return;
    }
    if (isatty(STDIN_FILENO) != 1 || !session.has_progress()) {
        throw UsageError("removing a topic removes its records: say --yes");
    }
    session.err() << "Remove " << options.names.size()
                  << (options.names.size() == 1 ? " topic" : " topics")
                  << " with all records? [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "yes") {
        throw UsageError("nothing removed");
    }
}

ExitCode remove_topics(Session& session, const NamesOptions& options) {
    require_consent(session, options);
    Outcome outcome;
    for (const std::string& name : options.names) {
        try {
            session.admin().delete_topic(name);
            outcome.add_done();
            session.note("topic " + name + " removed");
        } catch (const ClientError& error) {
            session.warn(name + ": " + error.what());
            outcome.add_failure(exit_code_of(error));
        }
    }
    return outcome.exit_code();
}

void add_settings(CLI::App& app, TopicSettings& settings) {
    app.add_option("-p,--partitions", settings.partitions, "Keys spread over this many; grows only")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->type_name("N");
    app.add_option("--retention", settings.retention, "How long records stay: 7d, 12h, forever")
        ->type_name("TIME");
    app.add_option("--retention-bytes",
                   settings.retention_bytes,
                   "How much stays per partition: 10GiB, unlimited")
        ->type_name("SIZE");
    add_choice(app,
               "--criticality",
               settings.criticality,
               choice(criticality_names, "What is served first when something is short"));
    add_choice(app,
               "--durability",
               settings.durability,
               choice(durability_names,
                      "What an ack stands for: on the disks of a majority of the nodes, or on that "
                      "of the node that leads"));
    add_choice(app, "--lifecycle", settings.lifecycle, choice(lifecycle_names, "Its state"));
    app.add_option("--owner", settings.owner, "Who answers for it");
    app.add_option("--description", settings.description, "What it carries");
    app.add_option("--record-max", settings.record_bytes_max, "Largest record")->type_name("SIZE");
    app.add_option("--duplicate-window",
                   settings.duplicate_window,
                   "How long an event-id is remembered: 24h (the default), 7d, off")
        ->type_name("TIME");
    app.add_option("--clustered",
                   settings.clustered,
                   "yes: old records of a partition are made to lie side by side, for fast replays")
        ->type_name("yes|no");
    app.add_option("--replaced-by", settings.replaced_by, "The topic to use instead");
}

void add_create(Registry& registry) {
    auto options = std::make_shared<CreateOptions>();
    CLI::App& command = add_command(
        registry,
        {"create",
         "Create topics",
         "millrace topic create plant1.mes.workorder.finished --partitions 8 --retention 30d\n"
         "millrace topic create plant1.quality.result --criticality critical --owner quality"},
        options,
        create_topics);
    command.add_option("NAME", options->names, "site.system.entity.event")->required();
    command.add_flag("--if-not-exists", options->if_not_exists, "An existing one is fine");
    add_settings(command, options->settings);
}

void add_names_commands(Registry& registry) {
    auto list = std::make_shared<NamesOptions>();
    CLI::App& ls = add_command(registry,
                               {"ls",
                                "List topics",
                                "millrace topic ls\n"
                                "millrace topic ls 'plant1.mes.>' --output json"},
                               list,
                               list_topics);
    ls.alias("list");
    ls.add_option("PATTERN", list->names, "Names, or patterns with * and >");

    auto describe = std::make_shared<NamesOptions>();
    CLI::App& show = add_command(registry,
                                 {"describe",
                                  "Show topics with offsets and sizes",
                                  "millrace topic describe plant1.mes.workorder.finished"},
                                 describe,
                                 describe_topics);
    show.add_option("NAME", describe->names, "Topics")->required();

    auto remove = std::make_shared<NamesOptions>();
    CLI::App& rm = add_command(
        registry,
        {"rm", "Remove topics with their records", "millrace topic rm plant1.test --yes"},
        remove,
        remove_topics);
    rm.alias("delete");
    rm.add_option("NAME", remove->names, "Topics")->required();
    rm.add_flag("-y,--yes", remove->yes, "Don't ask");
}

}  // namespace

void add_topic_commands(Registry& registry) {
    CLI::App& family =
        add_family(registry.app, {"topic", "Create, list, describe, alter and remove topics", ""});
    Registry inner{family, registry.chosen};
    add_create(inner);
    add_names_commands(inner);
    auto options = std::make_shared<AlterOptions>();
    CLI::App& command =
        add_command(inner,
                    {"alter",
                     "Change a topic; what isn't named stays",
                     "millrace topic alter plant1.mes.workorder.finished --partitions 16\n"
                     "millrace topic alter old.topic --lifecycle retired --replaced-by new.topic"},
                    options,
                    alter_topic);
    command.add_option("NAME", options->name, "The topic")->required();
    add_settings(command, options->settings);
}

}  // namespace millrace::cli
