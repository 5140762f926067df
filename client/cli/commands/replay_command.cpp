#include "client/cli/app/options.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/app/window_reader.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/jobs/job_commands.hpp"
#include "client/cli/jobs/speed.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

struct PrintOptions {
    std::vector<std::string> topics;
    std::string from;
    std::string to;
    std::string format;
    std::optional<std::uint64_t> count;
    std::string key;
    std::vector<std::string> headers;
    std::string where;
    std::string speed = "max";
};

ExitCode print(Session& session, const PrintOptions& options) {
    if (options.topics.empty() || options.from.empty()) {
        throw UsageError("what? Give --topic and --from; see millrace replay --help");
    }
    const std::int64_t now_us = unix_now_us();
    const TimeWindow window{
        .from_us = require_time(options.from, now_us, "--from"),
        .to_us = options.to.empty() ? INT64_MAX : require_time(options.to, now_us, "--to")};
    if (window.from_us >= window.to_us) {
        throw UsageError("--to: " + format_time(window.to_us) + " is not after --from, " +
                         format_time(window.from_us));
    }
    const Speed speed = require_speed(options.speed);
    WindowOptions wanted{.topics = options.topics,
                         .window = window,
                         .count = options.count,
                         .format = options.format,
                         .key = options.key,
                         .headers = {},
                         .where = options.where,
                         .records_per_second = speed.records_per_second,
                         .time_scale = speed.time_scale};
    for (const std::string& header : options.headers) {
        wanted.headers.push_back(require_header(header));
    }
    watch_stop_signals();
    return read_window(session, wanted);
}

void add_print_options(CLI::App& command, PrintOptions& options) {
    add_topics(command, options.topics, "Topics or patterns");
    command.add_option("--from", options.from, "Where it begins")->type_name("TIME");
    command.add_option("--to", options.to, "Where it ends; without: all there is")
        ->type_name("TIME");
    command.add_option("-n,--count", options.count, "End after so many")
        ->check(positive_number())
        ->type_name("N");
    command.add_option("--format", options.format, "value, json, or a template")
        ->type_name("FORMAT");
    command.add_option("-k,--key", options.key, "Only of this key");
    command.add_option("-H,--header", options.headers, "Only with this header; may come again")
        ->allow_extra_args(false)
        ->type_name("NAME=VALUE");
    command.add_option("--where", options.where, "Only where this jq program says true")
        ->type_name("JQ");
    command.add_option("--speed", options.speed, "max, a rate, or a multiple of the original's")
        ->type_name("max|N/s|Nx")
        ->capture_default_str();
}

}  // namespace

void add_replay_command(Registry& registry) {
    auto options = std::make_shared<PrintOptions>();
    const std::string help =
        "Print a window of the past, [from, to) by append time, in the order of appending";
    const std::string example =
        "--topic 'plant1.mes.>' --from 2026-11-20T06:00 --to 2026-11-20T07:00";
    CLI::App& family = add_command(registry,
                                   {"replay",
                                    help + "; or, with create, send it somewhere",
                                    "millrace replay " + example +
                                        "\nmillrace replay --topic plant1.quality.result --from "
                                        "-1h --output json\nmillrace replay create " +
                                        example + " --to-subscription odoo-staging"},
                                   options,
                                   print);
    add_print_options(family, *options);
    // A command of the family stands for itself.
    Action& chosen = registry.chosen;
    const Action alone = [options](Session& session) { return print(session, *options); };
    family.callback([alone, &chosen, &family] {
        if (family.get_subcommands().empty()) {
            chosen = alone;
        }
    });
    Registry inner{family, registry.chosen};
    auto inner_options = std::make_shared<PrintOptions>();
    CLI::App& printing = add_command(
        inner, {"print", help, "millrace replay print " + example}, inner_options, print);
    add_print_options(printing, *inner_options);
    add_replay_create(inner);
    add_job_controls(inner, JobKind::replay);
}

}  // namespace millrace::cli
