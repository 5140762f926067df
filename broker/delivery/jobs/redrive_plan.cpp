#include "broker/delivery/jobs/redrive_plan.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "broker/delivery/letters/letter_document.hpp"
#include "broker/delivery/letters/letter_history.hpp"
#include "client/wire/partitioner.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::uint32_t page_letters = 256;

PlannedLetter planned(const Letter& letter, ShardId shard) {
    const auto key =
        letter.key.empty()
            ? ~letter.id
            : wire::stable_hash(std::to_string(letter.partition.value) + "/" + letter.key);
    return {.id = letter.id,
            .key = key,
            .offset = letter.offset,
            .bytes = static_cast<std::uint32_t>(letter.record.size()),
            .shard = shard};
}

/// What the job has sent already stands where it went.
void take_sent(RedrivePlan& plan, const Letter& letter, ShardId shard) {
    switch (letter.state) {
        case LetterState::redriven:
            plan.in_flight.push_back(planned(letter, shard));
            break;
        case LetterState::resolved:
            ++plan.settled;
            break;
        case LetterState::open:
            ++plan.failed;
            break;
        case LetterState::discarded:
            ++plan.skipped;
            break;
    }
}

/// Looks for the letters of a redrive, shard by shard.
struct Search {
    const Job& job;
    const LetterFilter& filter;
    JobShards& shards;
    JobControl& control;
    RedrivePlan plan;

    Result<void> look_on(ShardId shard);
    void take(const Letter& letter, ShardId shard);
};

Result<void> Search::look_on(ShardId shard) {
    const auto& wanted = job.redrive.query;
    // What was found is committed before the first goes out.
    const bool is_fresh = job.progress.total == 0;
    LetterQuery query{.subscription = wanted.subscription,
                      .cause = is_fresh ? wanted.cause : std::nullopt,
                      .state = is_fresh ? std::optional(LetterState::open) : std::nullopt,
                      .limit = page_letters};
    for (bool is_end = false; !is_end;) {
        if (control.must_stop()) {
            return fail(Errc::cancelled, "the job was told to stop");
        }
        MILLRACE_TRY(const auto page, shards.find_letters(shard, query));
        query.after_id = page.examined_upto;
        for (const auto& letter : page.letters) {
            take(letter, shard);
        }
        plan.is_cut = plan.to_send.size() >= RedrivePlan::letters_max;
        is_end = page.is_end || plan.is_cut;
    }
    return ok();
}

void Search::take(const Letter& letter, ShardId shard) {
    if (has_mark(letter, job.id)) {
        take_sent(plan, letter, shard);
        return;
    }
    const bool is_later = letter.actions.empty() || opened_us(letter.actions) >= job.created_us;
    if (letter.state == LetterState::open && !is_later &&
        letter.cause == job.redrive.query.cause.value_or(letter.cause) && filter.wants(letter)) {
        plan.to_send.push_back(planned(letter, shard));
    }
}

}  // namespace

std::string redrive_mark(std::uint64_t job) {
    return "job " + std::to_string(job);
}

bool has_mark(const Letter& letter, std::uint64_t job) {
    const auto mark = redrive_mark(job);
    return std::ranges::any_of(letter.actions, [&mark](const LetterAction& action) {
        return action.action == "redriven" && action.text == mark;
    });
}

void put_in_order(std::vector<PlannedLetter>& letters) {
    std::ranges::sort(letters, {}, &PlannedLetter::id);
    std::vector<std::size_t> by_age(letters.size());
    std::iota(by_age.begin(), by_age.end(), std::size_t{0});
    auto by_offset = by_age;
    std::ranges::sort(by_age, {}, [&](std::size_t i) { return std::pair(letters[i].key, i); });
    std::ranges::sort(by_offset, {}, [&](std::size_t i) {
        return std::tuple(letters[i].key, letters[i].offset, i);
    });
    // The places of a key stay; its letters take them by offset.
    const auto before = letters;
    for (std::size_t i = 0; i < letters.size(); ++i) {
        letters[by_age[i]] = before[by_offset[i]];
    }
}

Result<RedrivePlan> plan_redrive(const Job& job, JobShards& shards, JobControl& control) {
    const auto& spec = job.redrive;
    MILLRACE_TRY(const auto filter, LetterFilter::make(spec.query));
    Search search{.job = job, .filter = filter, .shards = shards, .control = control, .plan = {}};
    for (ShardId shard{0}; shard.value < shards.shard_count(); ++shard) {
        MILLRACE_TRY(search.look_on(shard));
    }
    auto& plan = search.plan;
    // Letters that are over do not stay for ever; how many there were was committed.
    plan.settled = std::max(plan.settled, job.progress.settled);
    put_in_order(plan.to_send);
    if (spec.limit > 0) {
        const auto left = spec.limit - std::min(spec.limit, plan.sent());
        plan.to_send.resize(std::min<std::size_t>(plan.to_send.size(), left));
    }
    return std::move(plan);
}

}  // namespace millrace::broker::delivery
