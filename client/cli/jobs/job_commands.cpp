#include "client/cli/jobs/job_commands.hpp"

#include <algorithm>
#include <memory>

#include "client/cli/jobs/job_views.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

struct JobListOptions {
    std::optional<JobKind> kind;
    std::optional<JobState> state;
};
struct JobOptions {
    std::uint64_t id = 0;
    std::string reason;
    std::string by;
};

std::string who_of(const JobOptions& options) {
    return options.by.empty() ? who() : options.by;
}

ExitCode list(Session& session, const JobListOptions& options) {
    auto jobs = session.client().jobs().list();
    std::erase_if(jobs, [&options](const JobDescription& job) {
        return job.kind != options.kind.value_or(job.kind) ||
               job.state != options.state.value_or(job.state);
    });
    print_jobs(session, jobs);
    return ExitCode::ok;
}

ExitCode show(Session& session, const JobOptions& options) {
    print_job(session, session.client().jobs().show(options.id));
    return ExitCode::ok;
}

ExitCode wait(Session& session, const JobOptions& options) {
    return wait_for_job(session, options.id);
}

ExitCode say_state(Session& session, const JobDescription& job) {
    if (session.is_json()) {
        print_job(session, job);
    }
    session.note("job " + std::to_string(job.id) + " is " + name_of(job_state_names, job.state));
    return ExitCode::ok;
}

ExitCode pause(Session& session, const JobOptions& options) {
    return say_state(session,
                     session.client().jobs().pause(options.id, who_of(options), options.reason));
}

ExitCode resume(Session& session, const JobOptions& options) {
    return say_state(session, session.client().jobs().resume(options.id, who_of(options)));
}

ExitCode cancel(Session& session, const JobOptions& options) {
    return say_state(session,
                     session.client().jobs().cancel(options.id, who_of(options), options.reason));
}

CLI::App& add_one(Registry& registry,
                  const CommandText& text,
                  ExitCode (*run)(Session&, const JobOptions&)) {
    auto options = std::make_shared<JobOptions>();
    CLI::App& app = add_command(registry, text, options, run);
    app.add_option("ID", options->id, "Which job")->required();
    if (text.name == "show" || text.name == "wait") {
        return app;
    }
    app.add_option("--by", options->by, "Who does it; without: $USER");
    if (text.name != "resume") {
        app.add_option("--reason", options->reason, "Why; it stays with the job");
    }
    return app;
}

}  // namespace

ExitCode announce_job(Session& session, const JobDescription& job, JobWait wait) {
    if (wait == JobWait::yes) {
        return wait_for_job(session, job.id);
    }
    if (session.is_json()) {
        print_job(session, job);
    }
    session.note("job " + std::to_string(job.id) + " runs; see millrace job show " +
                 std::to_string(job.id));
    return ExitCode::ok;
}

void add_job_controls(Registry& registry, std::optional<JobKind> kind) {
    const std::string family = kind ? name_of(job_kind_names, *kind) : "job";
    auto options = std::make_shared<JobListOptions>();
    options->kind = kind;
    CLI::App& listing =
        add_command(registry, {"ls", "List jobs", "millrace " + family + " ls"}, options, list);
    listing.alias("list");
    add_choice(listing, "--state", options->state, choice(job_state_names, "In which state"));
    if (!kind) {
        add_choice(listing, "--kind", options->kind, choice(job_kind_names, "Of which kind"));
    }
    const auto text = [&family](const std::string& name, const std::string& help) {
        return CommandText{name, help, "millrace " + family + " " + name + " 7"};
    };
    add_one(registry, text("show", "Show a job and how far it is"), show);
    add_one(registry, text("wait", "Wait until a job is over, with progress"), wait);
    add_one(registry, text("pause", "Stop a job; it keeps its place"), pause);
    add_one(registry, text("resume", "Let a paused job go on"), resume);
    add_one(registry, text("cancel", "End a job; what it has sent stays sent"), cancel);
}

void add_job_commands(Registry& registry) {
    CLI::App& family =
        add_family(registry.app, {"job", "Look at and stop replay and redrive jobs", ""});
    Registry inner{family, registry.chosen};
    add_job_controls(inner, std::nullopt);
}

}  // namespace millrace::cli
