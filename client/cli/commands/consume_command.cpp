#include <ostream>

#include "client/cli/app/options.hpp"
#include "client/cli/app/progress.hpp"
#include "client/cli/app/record_printer.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/app/window_reader.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/position_text.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "millrace/client.hpp"
#include "storage/base/errc.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds poll_wait{200};

struct ConsumeOptions {
    std::vector<std::string> topics;
    std::string from;
    std::string group;
    std::optional<std::uint32_t> partition;
    std::optional<std::uint64_t> count;
    std::string format;
    bool follow = false;
};

ConsumerOptions consumer_options_of(const ConsumeOptions& options, const ReadPosition& from) {
    ConsumerOptions out;
    out.topics = options.topics;
    out.group = options.group;
    out.partition = options.partition;
    out.client_name = "millrace-cli";
    if (std::holds_alternative<FromEnd>(from)) {
        out.start.at = StartAt::latest;
    } else if (const auto* offset = std::get_if<FromOffset>(&from)) {
        out.start_offset = offset->offset;
    } else if (const auto* time = std::get_if<FromTime>(&from)) {
        out.start = {.at = StartAt::time, .time_us = time->time_us};
    }
    if (!options.group.empty()) {
        out.commit_interval = std::chrono::milliseconds{0};  // printed first, committed then
    }
    return out;
}

/// Reads until the end, the count or a signal.
class Reader {
  public:
    Reader(Session& session, const ConsumeOptions& options, ConsumerOptions settings)
        : session_(session),
          options_(options),
          printer_(session, options.format),
          consumer_(session.client().consumer(std::move(settings))),
          progress_(session, "consumed") {}

    ExitCode run() {
        if (options_.partition && consumer_.assignment().empty()) {
            throw ClientError(static_cast<std::uint16_t>(Errc::unknown_partition),
                              "unknown_partition",
                              "no topic has a partition " + std::to_string(*options_.partition));
        }
        while (!is_stop_requested() && !has_enough()) {
            if (!options_.follow && is_at_end()) {
                break;
            }
            print(consumer_.poll(poll_wait, records_left()));
            warn_of_damage();
        }
        return is_damaged_ ? ExitCode::partly : ExitCode::ok;
    }

  private:
    [[nodiscard]] bool has_enough() const {
        return options_.count && printer_.count() >= *options_.count;
    }
    /// What is not given is not committed either.
    [[nodiscard]] std::size_t records_left() const {
        return options_.count ? *options_.count - printer_.count() : SIZE_MAX;
    }
    /// In a group nothing is assigned at first; without any for this long, others hold all of it.
    [[nodiscard]] bool is_at_end() {
        constexpr std::chrono::seconds patience{10};
        const bool is_waiting = !options_.group.empty() && consumer_.assignment().empty() &&
                                progress_.elapsed() < patience;
        return !is_waiting && consumer_.is_caught_up();
    }
    void print(const std::vector<Record>& records) {
        for (const Record& record : records) {
            printer_.print(record);
        }
        if (records.empty()) {
            return;
        }
        printer_.flush();
        commit();
        progress_.update({.count = printer_.count()});
    }
    void commit() {
        if (options_.group.empty()) {
            return;
        }
        try {
            consumer_.commit();
        } catch (const ClientError& error) {
            if (error.name() != name_of(Errc::rebalancing)) {
                throw;
            }
            session_.note("the group was shared out anew: what was printed last may come again");
        }
    }
    void warn_of_damage() {
        for (const Damage& damage : consumer_.damage()) {
            is_damaged_ = true;
            session_.warn(damage.topic + " partition " + std::to_string(damage.partition) +
                          ": offsets " + std::to_string(damage.first_offset) + " to " +
                          std::to_string(damage.next_offset) + " left out: " + damage.text);
        }
    }

    Session& session_;
    const ConsumeOptions& options_;
    RecordPrinter printer_;
    Consumer consumer_;
    Progress progress_;
    bool is_damaged_ = false;
};

ExitCode consume_window(Session& session, const ConsumeOptions& options, const TimeWindow& window) {
    if (!options.group.empty() || options.follow) {
        throw UsageError("--from @FROM:TO reads a window of the past: no --group, no --follow");
    }
    return read_window(session,
                       {.topics = options.topics,
                        .window = window,
                        .partition = options.partition,
                        .count = options.count,
                        .format = options.format});
}

ExitCode consume(Session& session, const ConsumeOptions& given) {
    ConsumeOptions options = given;
    const ReadPosition from = options.from.empty()
                                  ? ReadPosition{FromBeginning{}}
                                  : parse_position(options.from, unix_now_us(), "--from");
    if (!options.group.empty() && options.partition) {
        throw UsageError("--partition reads alone: a group shares partitions itself");
    }
    if (!options.group.empty() && std::holds_alternative<FromOffset>(from)) {
        throw UsageError("--from OFFSET reads alone: a group goes on where it has committed");
    }
    watch_stop_signals();
    if (const auto* window = std::get_if<TimeWindow>(&from)) {
        return consume_window(session, options, *window);
    }
    options.follow = options.follow || options.count || std::holds_alternative<FromEnd>(from);
    return Reader(session, options, consumer_options_of(options, from)).run();
}

}  // namespace

void add_consume_command(Registry& registry) {
    auto options = std::make_shared<ConsumeOptions>();
    CLI::App& command = add_command(
        registry,
        {"consume",
         "Print records; without --follow or --count up to the present end",
         "millrace consume plant1.mes.workorder.finished\n"
         "millrace consume 'plant1.mes.>' --from end --format '{append_time} {topic} {key} "
         "{value}'\n"
         "millrace consume 'plant1.>' --from @-1h --output json\n"
         "millrace consume plant1.quality.result --from @2026-11-20T06:00:2026-11-20T07:00\n"
         "millrace consume plant1.quality.result --group reporting --follow\n"
         "millrace consume plant1.test --from 100 --partition 0 --count 5"},
        options,
        consume);
    command.add_option("TOPIC", options->topics, "Names, or patterns with * and >")->required();
    command
        .add_option("--from",
                    options->from,
                    "beginning (default), end, OFFSET, @TIME, or the window @TIME:TIME; in a group "
                    "where nothing is committed")
        ->type_name("POSITION");
    command.add_option("-g,--group", options->group, "Share the partitions with this group");
    command.add_option("--partition", options->partition, "Only this partition")->type_name("N");
    command.add_option("-n,--count", options->count, "End after so many, waiting for them")
        ->check(positive_number())
        ->type_name("N");
    command.add_flag("-F,--follow", options->follow, "Go on with what will come");
    command
        .add_option("--format",
                    options->format,
                    "value, json, or a template: '{key} {value.qty} {header.schema}'")
        ->type_name("FORMAT");
}

}  // namespace millrace::cli
