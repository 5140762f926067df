#include <map>
#include <mutex>
#include <ostream>

#include <nlohmann/json.hpp>

#include "client/cli/app/options.hpp"
#include "client/cli/app/progress.hpp"
#include "client/cli/app/publish_input.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

struct PublishOptions {
    LineRules rules;
    std::optional<std::string> value;
    std::string file = "-";
    std::vector<std::string> headers;
    std::string rate;
    std::uint32_t create_partitions = 0;
    Compression compression = Compression::none;
    bool keep_going = false;
};

/// Counts what became of the records. Callbacks come on the client's thread.
class Tally {
  public:
    void add(const RecordPlace& place, const std::exception_ptr& error) {
        const std::lock_guard lock(mutex_);
        if (error == nullptr) {
            outcome_.add_done();
            duplicates_ += place.duplicate ? 1 : 0;
            return;
        }
        try {
            std::rethrow_exception(error);
        } catch (const ClientError& failure) {
            append_failure(exit_code_of(failure), failure.what());
        } catch (const std::exception& failure) {
            append_failure(ExitCode::refused, failure.what());
        }
    }
    void add_failure(ExitCode code, const std::string& text) {
        const std::lock_guard lock(mutex_);
        append_failure(code, text);
    }
    [[nodiscard]] bool has_failed() const { return outcome().failed_count() > 0; }
    [[nodiscard]] Outcome outcome() const {
        const std::lock_guard lock(mutex_);
        return outcome_;
    }
    [[nodiscard]] std::uint64_t duplicate_count() const {
        const std::lock_guard lock(mutex_);
        return duplicates_;
    }
    [[nodiscard]] std::string first_failure() const {
        const std::lock_guard lock(mutex_);
        return first_failure_;
    }

  private:
    void append_failure(ExitCode code, const std::string& text) {
        first_failure_ = first_failure_.empty() ? text : first_failure_;
        outcome_.add_failure(code);
    }

    mutable std::mutex mutex_;
    Outcome outcome_;
    std::uint64_t duplicates_ = 0;
    std::string first_failure_;
};

/// One producer for each topic that a line has named.
class Producers {
  public:
    Producers(Session& session, const PublishOptions& options)
        : session_(session), options_(options) {}

    Producer& for_topic(const std::string& topic) {
        const auto found = producers_.find(topic);
        if (found != producers_.end()) {
            return found->second;
        }
        if (options_.create_partitions > 0) {
            TopicDescription wanted;
            wanted.name = topic;
            wanted.partition_count = options_.create_partitions;
            session_.admin().ensure_topic(wanted);
        }
        ProducerOptions settings;
        settings.compression = options_.compression;
        settings.delivery_timeout = session_.timeout_or(settings.delivery_timeout);
        return producers_.emplace(topic, session_.client().producer(topic, settings)).first->second;
    }
    /// What failed has been told to the callbacks already.
    void flush() {
        for (auto& [topic, producer] : producers_) {
            try {
                producer.flush();
            } catch (const ClientError&) {
                continue;
            }
        }
    }

  private:
    Session& session_;
    const PublishOptions& options_;
    std::map<std::string, Producer> producers_;
};

/// Says when the next record may go.
class SendPace {
  public:
    explicit SendPace(const std::string& rate)
        : per_second_(rate.empty() ? 0 : require_rate(rate, "--rate")),
          begin_(std::chrono::steady_clock::now()) {}

    void wait() {
        if (per_second_ > 0) {
            const std::chrono::duration<double> after{static_cast<double>(sent_) / per_second_};
            wait_until(begin_ +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(after));
        }
        ++sent_;
    }

  private:
    double per_second_;
    std::uint64_t sent_ = 0;
    std::chrono::steady_clock::time_point begin_;
};

void print_summary(Session& session, const Tally& tally, std::chrono::milliseconds elapsed) {
    const Outcome outcome = tally.outcome();
    if (session.is_json()) {
        print_json(session,
                   {{"published", outcome.done_count()},
                    {"failed", outcome.failed_count()},
                    {"duplicates", tally.duplicate_count()},
                    {"elapsed_ms", elapsed.count()}});
    }
    std::string text = "published " + format_count(outcome.done_count()) +
                       (outcome.done_count() == 1 ? " record in " : " records in ") +
                       format_duration(elapsed);
    if (tally.duplicate_count() > 0) {
        text += ", " + format_count(tally.duplicate_count()) + " of them known before";
    }
    session.note(text);
    if (outcome.failed_count() > 0) {
        session.warn(format_count(outcome.failed_count()) +
                     " not published; the first: " + tally.first_failure());
    }
}

void send_line(std::string line, const LineRules& rules, Producers& producers, Tally& tally) {
    TopicRecord parsed = parse_line(std::move(line), rules);
    producers.for_topic(parsed.topic)
        .send(std::move(parsed.record),
              [&tally](const RecordPlace& place, const std::exception_ptr& error) {
                  tally.add(place, error);
              });
}

/// False when the command shall end.
bool try_line(const std::string& line,
              const std::string& where,
              const LineRules& rules,
              Producers& producers,
              Tally& tally) {
    try {
        send_line(line, rules, producers, tally);
        return true;
    } catch (const UsageError& error) {
        tally.add_failure(ExitCode::usage, where + error.what());
    } catch (const ClientError& error) {
        tally.add_failure(exit_code_of(error), where + error.what());
    }
    return false;
}

void publish_lines(Session& session,
                   const PublishOptions& options,
                   const LineRules& rules,
                   Tally& tally) {
    Producers producers(session, options);
    if (options.value) {
        try_line(*options.value, "", rules, producers, tally);
        producers.flush();
        return;
    }
    LineSource source(options.file);
    SendPace pace(options.rate);
    Progress progress(session, "published");
    std::string line;
    while (!is_stop_requested() && source.read(line)) {
        if (line.empty() && rules.is_jsonl) {
            continue;
        }
        pace.wait();
        const std::string where = "line " + std::to_string(source.line_number()) + ": ";
        const bool is_sent = try_line(line, where, rules, producers, tally);
        if ((!is_sent || tally.has_failed()) && !options.keep_going) {
            break;
        }
        progress.update({.count = tally.outcome().done_count(),
                         .duplicate_count = tally.duplicate_count(),
                         .share = source.share()});
    }
    producers.flush();
}

ExitCode publish(Session& session, const PublishOptions& options) {
    LineRules rules = options.rules;
    for (const std::string& header : options.headers) {
        rules.headers.push_back(parse_header_option(header));
    }
    if (rules.topic.empty() && !rules.is_jsonl) {
        throw UsageError("publish needs a topic; only --jsonl lines can name their own");
    }
    watch_stop_signals();
    const auto begin = std::chrono::steady_clock::now();
    Tally tally;
    publish_lines(session, options, rules, tally);
    print_summary(session,
                  tally,
                  std::chrono::duration_cast<std::chrono::milliseconds>(
                      std::chrono::steady_clock::now() - begin));
    return is_stop_requested() && !tally.has_failed() ? ExitCode::partly
                                                      : tally.outcome().exit_code();
}

void add_input_options(CLI::App& app, PublishOptions& options) {
    LineRules& rules = options.rules;
    app.add_option("TOPIC", rules.topic, "Where to; --jsonl lines may name their own");
    app.add_option("-f,--file", options.file, "Read this file instead of stdin")->type_name("FILE");
    auto* value = app.add_option("-v,--value", options.value, "Publish this one record");
    value->excludes("--file");
    auto* jsonl = app.add_flag(
        "--jsonl",
        rules.is_jsonl,
        R"(Lines are {"topic", "key", "headers", "event_time_us", "value"}; only "value" must be)");
    auto* key = app.add_option("-k,--key", rules.key, "The key of all records that have none");
    auto* field = app.add_option("--key-field",
                                 rules.key_field,
                                 "Take the key from this field of the JSON value: order.id")
                      ->type_name("PATH");
    auto* separator =
        app.add_option("--key-separator", rules.key_separator, "Lines are KEY, this text, VALUE")
            ->type_name("TEXT");
    app.add_option("--event-id-field",
                   rules.event_id_field,
                   "Take the header event-id from this field: a record is published once")
        ->type_name("PATH");
    field->excludes(key)->excludes(separator);
    separator->excludes(jsonl)->excludes(key);
    app.add_option("-H,--header", options.headers, "A header for all records; may come again")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app.add_option("--partition", rules.partition, "Into this partition whatever the key")
        ->type_name("N");
}

}  // namespace

void add_publish_command(Registry& registry) {
    auto options = std::make_shared<PublishOptions>();
    CLI::App& command = add_command(
        registry,
        {"publish",
         "Publish lines, each one record; it ends when all are durable",
         "echo '{\"wo\":\"WO-1001\",\"qty\":10}' | millrace publish plant1.mes.finished "
         "--key-field wo\n"
         "millrace publish --jsonl --file events.jsonl --create-topics 8 --rate 500/s\n"
         "millrace publish plant1.mes.finished --file day.jsonl --event-id-field id   # may run "
         "twice\n"
         "millrace publish plant1.test --key A --value hello --header correlation-id=42\n"
         "millrace consume a.b --format json | jq -c 'del(.topic, .partition)' |\n"
         "    millrace publish c.d --jsonl   # with its topic a line goes back into a.b"},
        options,
        publish);
    add_input_options(command, *options);
    command.add_option("--rate", options->rate, "At most so many: 500/s, 30/m")->type_name("RATE");
    command
        .add_option("--create-topics",
                    options->create_partitions,
                    "Create missing topics with so many partitions")
        ->check(CLI::Range(1, 1'000'000).description(""))
        ->type_name("N");
    add_choice(command,
               "--compression",
               options->compression,
               choice(compression_names, "How batches are packed"));
    command.add_flag("--keep-going",
                     options->keep_going,
                     "Pass over lines that can't be published instead of ending there");
}

}  // namespace millrace::cli
