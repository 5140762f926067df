#include "client/cli/app/options.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/app/window_reader.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

struct ReplayCommandOptions {
    std::vector<std::string> topics;
    std::string from;
    std::string to;
    std::string format;
    std::optional<std::uint64_t> count;
};

ExitCode replay(Session& session, const ReplayCommandOptions& options) {
    const std::int64_t now_us = unix_now_us();
    const TimeWindow window{
        .from_us = require_time(options.from, now_us, "--from"),
        .to_us = options.to.empty() ? INT64_MAX : require_time(options.to, now_us, "--to")};
    if (window.from_us >= window.to_us) {
        throw UsageError("--to: " + format_time(window.to_us) + " is not after --from, " +
                         format_time(window.from_us));
    }
    watch_stop_signals();
    return read_window(session,
                       {.topics = options.topics,
                        .window = window,
                        .count = options.count,
                        .format = options.format});
}

}  // namespace

void add_replay_command(Registry& registry) {
    auto options = std::make_shared<ReplayCommandOptions>();
    CLI::App& command = add_command(
        registry,
        {"replay",
         "Print a window of the past, [from, to) by append time, in the order of appending",
         "millrace replay --topic 'plant1.mes.>' --from 2026-11-20T06:00 --to 2026-11-20T07:00\n"
         "millrace replay --topic plant1.quality.result --from -1h --output json"},
        options,
        replay);
    add_topics(command, options->topics, "Topics or patterns")->required();
    command.add_option("--from", options->from, "Where it begins")->required()->type_name("TIME");
    command.add_option("--to", options->to, "Where it ends; without: all there is")
        ->type_name("TIME");
    command.add_option("-n,--count", options->count, "End after so many")
        ->check(CLI::Validator(CLI::PositiveNumber).description(""))
        ->type_name("N");
    command.add_option("--format", options->format, "value, json, or a template")
        ->type_name("FORMAT");
}

}  // namespace millrace::cli
