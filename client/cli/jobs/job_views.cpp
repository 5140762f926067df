#include "client/cli/jobs/job_views.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "client/cli/app/progress.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string number_text(double value) {
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), "%g", value);
    return text.data();
}

std::string rate_text(double records_per_second) {
    constexpr double whole_from = 10;
    if (records_per_second >= whole_from) {
        return format_count(static_cast<std::uint64_t>(std::llround(records_per_second))) + "/s";
    }
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), "%.1f/s", records_per_second);
    return text.data();
}

std::string speed_text(double records_per_second, double time_scale) {
    if (records_per_second > 0) {
        return number_text(records_per_second) + "/s";
    }
    return time_scale > 0 ? number_text(time_scale) + "x" : "max";
}

std::string target_of(const JobDescription& job) {
    if (job.kind == JobKind::redrive) {
        return "subscription " + job.redrive.query.subscription;
    }
    if (job.replay.dry_run) {
        return "nobody (dry run)";
    }
    return job.replay.to_subscription.empty() ? "topic " + job.replay.to_topic
                                              : "subscription " + job.replay.to_subscription;
}

std::string share_text(const JobProgress& progress) {
    return progress.share < 0 ? "-" : std::to_string(static_cast<int>(progress.share * 100)) + "%";
}

std::string remaining_text(const JobProgress& progress) {
    return progress.remaining_us < 0
               ? "-"
               : format_duration(std::chrono::microseconds(progress.remaining_us));
}

/// All the filters of a job, as one would write them.
std::string filter_text(const LetterQuery& query) {
    std::string text;
    const auto add = [&text](const std::string& name, const std::string& value) {
        if (!value.empty()) {
            text += (text.empty() ? "--" : " --") + name + " " + value;
        }
    };
    add("cause", query.cause ? name_of(cause_names, *query.cause) : "");
    add("key", query.key);
    add("error", query.error_contains);
    add("correlation-id", query.correlation_id);
    add("where", query.where);
    add("since", query.since_us == 0 ? "" : format_time(query.since_us));
    add("older-than", query.before_us == 0 ? "" : format_time(query.before_us));
    return text.empty() ? "-" : text;
}

std::string filter_text(const ReplayJob& job) {
    std::string text = job.where.empty() ? "" : "--where " + job.where;
    text += job.key.empty() ? "" : " --key " + job.key;
    for (const Header& header : job.headers) {
        text += " --header " + header.key + "=" + header.value;
    }
    return text.empty() ? "-" : text;
}

Json to_json(const ReplayJob& job) {
    Json out{{"topics", job.topics},
             {"from_us", job.from_us},
             {"to_us", job.to_us},
             {"by", name_of(replay_by_names, job.by)},
             {"where", job.where},
             {"key", job.key},
             {"headers", Json::object()},
             {"records_per_second", job.records_per_second},
             {"time_scale", job.time_scale},
             {"to_topic", job.to_topic},
             {"to_subscription", job.to_subscription},
             {"dry_run", job.dry_run}};
    for (const Header& header : job.headers) {
        out["headers"][header.key] = header.value;
    }
    return out;
}

Json to_json(const RedriveJob& job) {
    return {{"subscription", job.query.subscription},
            {"cause", job.query.cause ? Json(name_of(cause_names, *job.query.cause)) : Json()},
            {"key", job.query.key},
            {"error_contains", job.query.error_contains},
            {"correlation_id", job.query.correlation_id},
            {"where", job.query.where},
            {"since_us", job.query.since_us},
            {"before_us", job.query.before_us},
            {"transform", job.transform},
            {"limit", job.limit},
            {"records_per_second", job.records_per_second},
            {"canary", job.canary},
            {"failure_share_max", job.failure_share_max}};
}

Json to_json(const JobProgress& progress) {
    return {
        {"total", progress.total},
        {"matched", progress.matched},
        {"sent", progress.sent},
        {"skipped", progress.skipped},
        {"settled", progress.settled},
        {"failed", progress.failed},
        {"errors", progress.errors},
        {"bytes", progress.bytes},
        {"position_us", progress.position_us},
        {"active_ms", progress.active_us / 1000},
        {"rate", progress.rate},
        {"share", progress.share < 0 ? Json() : Json(progress.share)},
        {"remaining_ms", progress.remaining_us < 0 ? Json() : Json(progress.remaining_us / 1000)},
        {"last_error", progress.last_error}};
}

void add_replay_facts(Facts& facts, const ReplayJob& job) {
    std::string topics;
    for (const std::string& topic : job.topics) {
        topics += (topics.empty() ? "" : ", ") + topic;
    }
    facts.append("topics", topics);
    facts.append("window",
                 format_time(job.from_us) + " to " +
                     (job.to_us == INT64_MAX ? "when it began" : format_time(job.to_us)) + ", by " +
                     name_of(replay_by_names, job.by) + " time");
    facts.append("filter", filter_text(job));
    facts.append("speed", speed_text(job.records_per_second, job.time_scale));
}

void add_redrive_facts(Facts& facts, const RedriveJob& job) {
    facts.append("filter", filter_text(job.query));
    facts.append("transform", job.transform.empty() ? "-" : job.transform);
    facts.append("speed", speed_text(job.records_per_second, 0));
    facts.append("canary", job.canary == 0 ? "-" : format_count(job.canary) + " letters");
    facts.append("stops above", number_text(job.failure_share_max) + " of the settled failing");
}

void add_progress(Facts& facts, const JobDescription& job) {
    const JobProgress& progress = job.progress;
    const bool is_replay = job.kind == JobKind::replay;
    facts.append("done", share_text(progress) + ", " + remaining_text(progress) + " left");
    facts.append("sent", format_count(progress.sent) + " records, " + format_bytes(progress.bytes));
    facts.append(is_replay ? "matched" : "found", format_count(progress.matched));
    facts.append("skipped", format_count(progress.skipped));
    if (is_replay) {
        facts.append("reached", format_time(progress.position_us));
    } else {
        facts.append("settled", format_count(progress.settled));
        facts.append("failed again", format_count(progress.failed));
    }
    facts.append("rate", rate_text(progress.rate));
    facts.append("active", format_duration(std::chrono::microseconds(progress.active_us)));
    facts.append("errors",
                 format_count(progress.errors) +
                     (progress.last_error.empty() ? "" : ", last: " + progress.last_error));
}

ExitCode report(Session& session, const JobDescription& job) {
    if (session.is_json()) {
        print_job(session, job);
    }
    const JobProgress& progress = job.progress;
    const bool is_redrive = job.kind == JobKind::redrive;
    std::string text = "job " + std::to_string(job.id) + " is " +
                       name_of(job_state_names, job.state) + ": sent " +
                       format_count(progress.sent) + " of " + format_count(progress.matched);
    text += is_redrive ? ", settled " + format_count(progress.settled) + ", failed again " +
                             format_count(progress.failed)
                       : ", skipped " + format_count(progress.skipped);
    session.note(text + (job.reason.empty() ? "" : "; " + job.reason));
    if (job.state == JobState::done) {
        return ExitCode::ok;
    }
    return job.state == JobState::failed ? ExitCode::refused : ExitCode::partly;
}

/// Whether the job is over; not when somebody stopped the waiting.
bool follow(Session& session, Jobs& jobs, JobDescription& job) {
    constexpr std::chrono::milliseconds interval{100};
    Progress progress(session, job.kind == JobKind::replay ? "replayed" : "redriven");
    while (job.state == JobState::running) {
        if (is_stop_requested()) {
            session.note("job " + std::to_string(job.id) + " goes on by itself");
            return false;
        }
        progress.update({.count = job.progress.sent, .share = job.progress.share});
        wait_until(std::chrono::steady_clock::now() + interval);
        job = jobs.show(job.id);
    }
    return true;
}

}  // namespace

Json to_json(const JobDescription& job) {
    Json out{{"id", job.id},
             {"kind", name_of(job_kind_names, job.kind)},
             {"state", name_of(job_state_names, job.state)},
             {"reason", job.reason},
             {"by", job.by},
             {"changed_by", job.changed_by},
             {"created_us", job.created_us},
             {"changed_us", job.changed_us}};
    if (job.kind == JobKind::replay) {
        out["replay"] = to_json(job.replay);
    } else {
        out["redrive"] = to_json(job.redrive);
    }
    out["progress"] = to_json(job.progress);
    return out;
}

void print_jobs(Session& session, const std::vector<JobDescription>& jobs) {
    if (session.is_json()) {
        auto list = Json::array();
        for (const JobDescription& job : jobs) {
            list.push_back(to_json(job));
        }
        print_json(session, list);
        return;
    }
    Table table({{"ID", Align::right},
                 {"KIND"},
                 {"STATE"},
                 {"TO", Align::left, 40},
                 {"SENT", Align::right},
                 {"DONE", Align::right},
                 {"RATE", Align::right},
                 {"LEFT", Align::right},
                 {"ERRORS", Align::right},
                 {"BY"},
                 {"CREATED"},
                 {"REASON", Align::left, 60}});
    for (const JobDescription& job : jobs) {
        table.append({std::to_string(job.id),
                      name_of(job_kind_names, job.kind),
                      name_of(job_state_names, job.state),
                      target_of(job),
                      format_count(job.progress.sent),
                      share_text(job.progress),
                      rate_text(job.progress.rate),
                      remaining_text(job.progress),
                      format_count(job.progress.errors),
                      job.by,
                      format_time(job.created_us),
                      job.reason});
    }
    table.print(session.out());
}

void print_job(Session& session, const JobDescription& job) {
    if (session.is_json()) {
        print_json(session, to_json(job));
        return;
    }
    Facts facts;
    facts.append("job", std::to_string(job.id) + ", a " + name_of(job_kind_names, job.kind));
    facts.append(
        "state",
        name_of(job_state_names, job.state) + (job.reason.empty() ? "" : ": " + job.reason));
    facts.append("changed", format_time(job.changed_us) + " by " + job.changed_by);
    facts.append("created", format_time(job.created_us) + " by " + job.by);
    facts.append("to", target_of(job));
    if (job.kind == JobKind::replay) {
        add_replay_facts(facts, job.replay);
    } else {
        add_redrive_facts(facts, job.redrive);
    }
    add_progress(facts, job);
    facts.print(session.out());
}

ExitCode wait_for_job(Session& session, std::uint64_t id) {
    watch_stop_signals();
    Jobs jobs = session.client().jobs();
    JobDescription job = jobs.show(id);
    return follow(session, jobs, job) ? report(session, job) : ExitCode::partly;
}

}  // namespace millrace::cli
