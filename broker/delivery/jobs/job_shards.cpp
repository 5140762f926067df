#include "broker/delivery/jobs/job_shards.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <utility>

#include "broker/delivery/delivery_shard.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr ShardId owner{0};  ///< of catalog and jobs

/// Runs `start` on a shard's thread and waits for what it answers.
template <class T, class Start>
Result<T> ask_on(const JobShardLink& link, const AnswerWait& wait, Start start) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    auto answer = promise->get_future();
    link.runtime->post_from_outside(
        [link, start = std::move(start), promise = std::move(promise)]() mutable {
            start(link, [promise](Result<T> result) { promise->set_value(std::move(result)); });
        });
    const auto is_there = [&answer] {
        return answer.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
    };
    if (wait && !wait(is_there)) {
        return fail(Errc::shutting_down, "the shard ended before it answered");
    }
    // The library reports a promise that nobody kept by an exception; this is the adapter.
    try {
        return answer.get();
    } catch (const std::future_error&) {
        return fail(Errc::shutting_down, "the shard stopped before it answered");
    }
}

void publish_there(const JobShardLink& link,
                   const std::vector<JobBatch>& batches,
                   std::function<void(Result<JobShards::Published>)> done) {
    std::vector<PublishBatch> views;
    views.reserve(batches.size());
    for (const auto& one : batches) {
        views.push_back({.partition = one.partition, .batch = one.batch, .is_background = true});
    }
    link.shard->publish(
        views,
        [done = std::move(done)](const std::vector<PublishOutcome>& outcomes, std::string text) {
            JobShards::Published published{.codes = {}, .text = std::move(text)};
            for (const auto& outcome : outcomes) {
                published.codes.push_back(outcome.code);
            }
            done(std::move(published));
        });
}

/// A letter that is gone meanwhile is left out.
Result<std::vector<Letter>> load_there(const JobShardLink& link,
                                       const JobShards::LetterIds& wanted) {
    std::vector<Letter> found;
    for (const auto id : wanted.ids) {
        auto letter = link.delivery->letters().show(wanted.subscription, id);
        if (!letter && letter.error().code == Errc::unknown_letter) {
            continue;
        }
        MILLRACE_TRY(auto there, std::move(letter));
        found.push_back(std::move(there));
        if (wanted.parts == JobShards::LetterParts::facts) {
            found.back().record.clear();
            found.back().edited.clear();
        }
    }
    return found;
}

class ShardCalls final : public JobShards {
  public:
    ShardCalls(std::vector<JobShardLink> links, AnswerWait wait)
        : links_(std::move(links)), wait_(std::move(wait)) {}

    std::uint32_t shard_count() const override { return static_cast<std::uint32_t>(links_.size()); }

    Result<CatalogPtr> catalog() override {
        return ask<CatalogPtr>(at(owner), [](const JobShardLink& link, const auto& done) {
            done(link.shard->catalog().view());
        });
    }

    Result<void> ensure_topic(TopicSpec spec) override {
        return ask<void>(at(owner),
                         [spec = std::move(spec)](const JobShardLink& link, const auto& done) {
                             link.shard->catalog().create_topic(
                                 spec, IfExists::accept, [done](const auto& topic) {
                                     done(topic ? ok() : Result<void>(topic.error()));
                                 });
                         });
    }

    Result<storage::ScanCursor> scan_start(ShardId shard, UnixMicros time_us) override {
        return ask<storage::ScanCursor>(at(shard),
                                        [time_us](const JobShardLink& link, const auto& done) {
                                            done(link.shard->store().scan_start(time_us));
                                        });
    }

    Result<storage::ScanResult> scan(ShardId shard,
                                     storage::ScanCursor from,
                                     std::size_t bytes_max) override {
        return ask<storage::ScanResult>(
            at(shard), [from, bytes_max](const JobShardLink& link, const auto& done) {
                link.shard->store().scan(from, bytes_max, done);
            });
    }

    Result<Published> publish(ShardId shard, std::vector<JobBatch> batches) override {
        return ask<Published>(
            at(shard), [batches = std::move(batches)](const JobShardLink& link, const auto& done) {
                publish_there(link, batches, done);
            });
    }

    Result<LetterPage> find_letters(ShardId shard, const LetterQuery& query) override {
        return ask<LetterPage>(at(shard), [query](const JobShardLink& link, const auto& done) {
            done(link.delivery->letters().find(query));
        });
    }

    Result<std::vector<Letter>> load_letters(ShardId shard, LetterIds wanted) override {
        return ask<std::vector<Letter>>(
            at(shard), [wanted = std::move(wanted)](const JobShardLink& link, const auto& done) {
                done(load_there(link, wanted));
            });
    }

    Result<void> redrive(ShardId shard,
                         const LetterSelection& selection,
                         std::vector<LetterRedrive> letters) override {
        LetterEdit edit;
        auto chosen = selection;
        for (auto& letter : letters) {
            chosen.ids.push_back(letter.id);
            if (!letter.edited.empty()) {
                edit.records[letter.id] = std::move(letter.edited);
            }
        }
        return ask<void>(at(shard),
                         [chosen = std::move(chosen), edit = std::move(edit)](
                             const JobShardLink& link, const auto& done) {
                             link.delivery->letters().change(
                                 chosen, edit, [done](const Result<std::uint64_t>& changed) {
                                     done(changed ? ok() : Result<void>(changed.error()));
                                 });
                         });
    }

    Result<Job> load_job(std::uint64_t job) override {
        return ask<Job>(at(owner), [job](const JobShardLink& link, const auto& done) {
            done(link.delivery->jobs().show(job));
        });
    }

    Result<void> commit(std::uint64_t job, const JobProgress& progress) override {
        return ask<void>(at(owner), [job, progress](const JobShardLink& link, const auto& done) {
            link.delivery->jobs().commit(job, progress, done);
        });
    }

    Result<void> change(std::uint64_t job, const JobChange& change) override {
        return ask<void>(at(owner), [job, change](const JobShardLink& link, const auto& done) {
            link.delivery->jobs().change(job, change, [done](const Result<Job>& changed) {
                done(changed ? ok() : Result<void>(changed.error()));
            });
        });
    }

  private:
    template <class T, class Start>
    [[nodiscard]] Result<T> ask(const JobShardLink& link, Start start) const {
        return ask_on<T>(link, wait_, std::move(start));
    }
    [[nodiscard]] const JobShardLink& at(ShardId shard) const { return links_[shard.value]; }
    std::vector<JobShardLink> links_;
    AnswerWait wait_;
};

}  // namespace

std::unique_ptr<JobShards> make_job_shards(std::vector<JobShardLink> links, AnswerWait wait) {
    return std::make_unique<ShardCalls>(std::move(links), std::move(wait));
}

}  // namespace millrace::broker::delivery
