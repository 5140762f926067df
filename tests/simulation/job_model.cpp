#include "tests/simulation/job_model.hpp"

#include <algorithm>

#include "broker/delivery/jobs/replay/origin.hpp"

namespace millrace::simulation {
namespace {

using broker::delivery::JobState;
using broker::delivery::LetterState;

std::size_t mark_count(const broker::delivery::Letter& letter, std::uint64_t job) {
    return static_cast<std::size_t>(
        std::ranges::count_if(letter.actions, [job](const auto& action) {
            return action.action == "redriven" && action.text == "job " + std::to_string(job);
        }));
}

/// The window and the filters that the simulator's replays have.
bool is_wanted(const LogRecord& record, const broker::delivery::Job& job) {
    const auto& spec = job.replay;
    const auto end = std::min(spec.to_us, job.created_us);
    const bool is_inside = record.append_time_us >= spec.from_us && record.append_time_us < end;
    const bool has_key = spec.key.empty() || record.key == spec.key;
    const bool is_third = spec.where.empty() || std::stoull(record.value) % 3 == 0;
    return is_inside && has_key && is_third;
}

struct Sent {
    LogRecord record;
    LogRecord origin;
};

bool is_same(const Sent& sent) {
    auto headers = sent.record.headers;
    std::erase_if(headers, [](const auto& one) {
        return one.first == broker::delivery::replay_id_header ||
               one.first == broker::delivery::origin_header;
    });
    return sent.record.key == sent.origin.key && sent.record.value == sent.origin.value &&
           headers == sent.origin.headers;
}

/// Earlier in the log, as far as the two can be compared.
bool goes_before(const LogRecord& one, const LogRecord& other) {
    return one.partition == other.partition ? one.offset < other.offset
                                            : one.append_time_us <= other.append_time_us;
}

}  // namespace

void JobModel::complain(std::uint64_t job, const std::string& text) {
    violations_.push_back("job " + std::to_string(job) + ": " + text);
}

void JobModel::begin_redrive(const Job& job, const std::vector<Letter>& letters) {
    auto& begun = redrives_[job.id];
    const auto& cause = job.redrive.query.cause;
    for (const auto& letter : letters) {
        begun.known.insert(letter.id);
        if (letter.state == LetterState::open && letter.cause == cause.value_or(letter.cause)) {
            begun.wanted[letter.id] = letter.actions.size();
        }
    }
}

void JobModel::check_redrives(const std::vector<Letter>& letters) {
    for (const auto& [job, begun] : redrives_) {
        for (const auto& letter : letters) {
            check_sent(job, begun, letter);
        }
    }
}

void JobModel::check_sent(std::uint64_t job, const Redrive& begun, const Letter& letter) {
    const auto count = mark_count(letter, job);
    const auto name = "letter " + std::to_string(letter.id);
    if (count > 1) {
        complain(job, "sent " + name + " " + std::to_string(count) + " times");
    } else if (count == 1 && !begun.known.contains(letter.id)) {
        complain(job, "sent " + name + ", which came later");
    }
}

void JobModel::check_redriven(const Job& job, const std::vector<Letter>& letters) {
    const auto& wanted = redrives_.at(job.id).wanted;
    std::uint64_t sent = 0;
    for (const auto& letter : letters) {
        const auto count = mark_count(letter, job.id);
        sent += count;
        const auto known = wanted.find(letter.id);
        // What somebody else did something with may have been closed when its turn came.
        if (job.state == JobState::done && known != wanted.end() && count == 0 &&
            letter.actions.size() == known->second) {
            complain(job.id, "left out letter " + std::to_string(letter.id));
        }
    }
    if (job.state == JobState::done && job.progress.sent < sent) {
        complain(job.id,
                 "says that it sent " + std::to_string(job.progress.sent) + " letters, not " +
                     std::to_string(sent));
    }
}

void JobModel::check_replayed(const Job& job, const Logs& logs) {
    Wanted wanted;
    for (std::size_t partition = 0; partition < logs.sources.size(); ++partition) {
        add_wanted(job, logs, partition, wanted);
    }
    const auto& required = wanted.required;
    std::set<std::string> seen;
    for (const auto& target : logs.targets) {
        check_target(job, target, wanted, seen);
    }
    if (job.state == JobState::done && !std::ranges::includes(seen, required)) {
        complain(job.id,
                 "replayed " + std::to_string(seen.size()) + " records of " +
                     std::to_string(required.size()));
    }
    if (job.state == JobState::done && job.progress.sent < required.size()) {
        complain(job.id, "says that it sent " + std::to_string(job.progress.sent));
    }
}

void JobModel::add_wanted(const Job& job, const Logs& logs, std::size_t partition, Wanted& wanted) {
    for (const auto& record : logs.sources[partition]) {
        if (!is_wanted(record, job)) {
            continue;
        }
        const auto name =
            "a.b/" + std::to_string(partition) + "@" + std::to_string(record.offset.value);
        wanted.records[name] = &record;
        if (record.offset >= logs.first[partition]) {
            wanted.required.insert(name);
        }
    }
}

void JobModel::check_target(const Job& job,
                            const std::vector<LogRecord>& target,
                            const Wanted& wanted,
                            std::set<std::string>& seen) {
    const LogRecord* last = nullptr;
    for (const auto& record : target) {
        const auto view = record.view();
        const auto id = std::to_string(job.id);
        if (view.header(broker::delivery::replay_id_header).value_or("") != id) {
            continue;
        }
        const std::string origin(view.header(broker::delivery::origin_header).value_or(""));
        const auto from = wanted.records.find(origin);
        if (from == wanted.records.end()) {
            complain(job.id, "replayed " + origin + ", which it should not");
            continue;
        }
        if (!seen.insert(origin).second) {
            complain(job.id, "replayed " + origin + " twice");
        }
        if (!is_same({.record = record, .origin = *from->second})) {
            complain(job.id, "changed " + origin);
        }
        if (last != nullptr && !goes_before(*last, *from->second)) {
            complain(job.id, "replayed " + origin + " too late");
        }
        last = from->second;
    }
}

}  // namespace millrace::simulation
