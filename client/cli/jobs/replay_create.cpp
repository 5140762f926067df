#include <memory>

#include "client/cli/jobs/job_commands.hpp"
#include "client/cli/jobs/job_views.hpp"
#include "client/cli/jobs/speed.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

struct CreateOptions {
    ReplayJob job;
    std::string from;
    std::string to;
    std::vector<std::string> headers;
    std::string speed = "max";
    std::string by;
    bool wait = false;
};

ReplayJob job_of(const CreateOptions& options) {
    const std::int64_t now_us = unix_now_us();
    ReplayJob job = options.job;
    job.from_us = require_time(options.from, now_us, "--from");
    job.to_us = options.to.empty() ? INT64_MAX : require_time(options.to, now_us, "--to");
    if (job.from_us >= job.to_us) {
        throw UsageError("--to: " + format_time(job.to_us) + " is not after --from, " +
                         format_time(job.from_us));
    }
    const bool has_topic = !job.to_topic.empty();
    const bool has_subscription = !job.to_subscription.empty();
    if (has_topic == has_subscription && (has_topic || !job.dry_run)) {
        throw UsageError("where to? Give --to-subscription or --to-topic, one of them");
    }
    const Speed speed = require_speed(options.speed);
    job.records_per_second = speed.records_per_second;
    job.time_scale = speed.time_scale;
    for (const std::string& header : options.headers) {
        job.headers.push_back(require_header(header));
    }
    return job;
}

ExitCode create(Session& session, const CreateOptions& options) {
    const ReplayJob job = job_of(options);
    const bool must_wait = options.wait || job.dry_run;
    return announce_job(
        session,
        session.client().jobs().replay(job, options.by.empty() ? who() : options.by),
        must_wait ? JobWait::yes : JobWait::no);
}

}  // namespace

void add_replay_create(Registry& registry) {
    auto options = std::make_shared<CreateOptions>();
    ReplayJob& job = options->job;
    CLI::App& app = add_command(
        registry,
        {"create",
         "Send a window of the past, [from, to), to a subscription or a topic; a job of the broker",
         "millrace replay create --topic 'plant1.mes.>' --from 2026-11-20T06:00 --to "
         "2026-11-20T07:00 --where '.value.machine == \"M4\"' --speed 10x --to-subscription "
         "odoo-staging\n"
         "millrace replay create --topic plant1.quality.result --from -1h --to-topic test.quality "
         "--wait"},
        options,
        create);
    add_topics(app, job.topics, "Topics or patterns")->required();
    app.add_option("--from", options->from, "Where it begins")->required()->type_name("TIME");
    app.add_option("--to", options->to, "Where it ends; without: now")->type_name("TIME");
    add_choice(app, "--by", job.by, choice(replay_by_names, "By which time"));
    app.add_option("--where", job.where, "Only where this jq program says true")->type_name("JQ");
    app.add_option("-k,--key", job.key, "Only of this key");
    app.add_option("-H,--header", options->headers, "Only with this header; may come again")
        ->allow_extra_args(false)
        ->type_name("NAME=VALUE");
    app.add_option("--speed", options->speed, "max, a rate, or a multiple of the original's")
        ->type_name("max|N/s|Nx")
        ->capture_default_str();
    app.add_option("--to-subscription", job.to_subscription, "Only this subscription gets them");
    app.add_option("--to-topic", job.to_topic, "They are published to this topic");
    app.add_option("--who", options->by, "Who does it; without: $USER");
    app.add_flag("--dry-run", job.dry_run, "Only count what would be sent");
    app.add_flag("--wait", options->wait, "Wait until it is over, with progress");
}

}  // namespace millrace::cli
