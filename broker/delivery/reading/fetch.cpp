#include "broker/delivery/reading/fetch.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/shard/topic_traffic.hpp"
#include "storage/base/batch_header.hpp"

namespace millrace::broker::delivery {

/// One fetch: reads, and where too little is there waits for more until the time is over.
class Fetcher::Job final : public FetchWaiters::Waiter, public std::enable_shared_from_this<Job> {
  public:
    Job(Fetcher& fetcher, FetchPlan plan, FetchedDone done)
        : shard_(fetcher.shard_),
          waiters_(fetcher.waiters_),
          ahead_(fetcher.ahead_),
          plan_(std::move(plan)),
          done_(std::move(done)) {
        // More than may come would be waited for in vain.
        plan_.bytes_min = std::min(plan_.bytes_min, plan_.bytes_max);
    }

    void start() {
        timer_ = shard_.runtime().run_after(plan_.wait_max, [self = shared_from_this()] {
            self->is_late_ = true;
            self->go_on();
        });
        go_on();
    }
    void on_grown(PartitionId partition) override {
        registered_.erase(partition);
        if (is_waiting_) {
            go_on();
        }
    }

  private:
    struct Volume {
        std::size_t bytes = 0;
        std::size_t disk_bytes = 0;
        /// As a reader of many finds them: the next is worth a read before it is asked for.
        [[nodiscard]] bool is_of_old_records(std::size_t bytes_max) const {
            return bytes >= bytes_max / 2 && disk_bytes > bytes / 2;
        }
    };

    void go_on() {
        if (is_done_ || is_reading_) {
            return;
        }
        is_waiting_ = false;
        found_.clear();
        volume_ = {};
        read();
    }

    /// A little of every partition: they lie mixed in the log, so side by side they cost the disk
    /// what one of them alone would.
    void read() {
        found_.reserve(plan_.wanted.size());
        auto requests = list_requests();
        if (requests.empty()) {
            finish_or_wait();
            return;
        }
        is_reading_ = true;
        ahead_.read_all(
            requests, plan_.bytes_max, [self = shared_from_this(), requests](auto results) mutable {
                self->take_all(std::move(requests), std::move(results));
            });
    }

    void take_all(ReadAhead::Requests requests, std::vector<Result<storage::ReadResult>> results) {
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (results[i]) {
                requests[i].from = results[i].value().next;
            }
            take(requests[i].partition, std::move(results[i]));
        }
        ends_ = std::move(requests);
        is_reading_ = false;
        finish_or_wait();
    }

    /// Of the partitions that have more than what is known; says so of those that do not exist.
    ReadAhead::Requests list_requests() {
        ReadAhead::Requests requests;
        requests.reserve(plan_.wanted.size());
        for (const auto& wanted : plan_.wanted) {
            const auto limits = shard_.bounds(wanted.partition);
            if (!limits) {
                add_error(wanted.partition,
                          fail(Errc::unknown_partition,
                               "partition " + std::to_string(wanted.partition.value) +
                                   " does not exist"));
            } else if (wanted.offset != limits->next) {
                requests.push_back({.partition = wanted.partition,
                                    .from = wanted.offset,
                                    .bytes_max = wanted.bytes_max});
            }
        }
        const auto share =
            std::max<std::size_t>(plan_.bytes_max / std::max<std::size_t>(requests.size(), 1), 1);
        for (auto& request : requests) {
            request.bytes_max = std::min(request.bytes_max, share);
        }
        return requests;
    }

    void add_error(PartitionId partition, Error error) {
        found_.push_back({.partition = partition,
                          .error = std::move(error),
                          .first = {},
                          .next = {},
                          .skip_to = {},
                          .runs = {}});
        has_errors_ = true;
    }

    void take(PartitionId partition, Result<storage::ReadResult> result) {
        const auto limits = shard_.bounds(partition).value_or(storage::PartitionBounds{});
        if (!result) {
            add_error(partition, result.error());
            found_.back().first = limits.first;
            found_.back().next = limits.next;
            return;
        }
        auto& read = result.value();
        volume_.bytes += read.runs.size();
        volume_.disk_bytes += read.disk_bytes;
        has_errors_ |= read.damage.has_value();
        found_.push_back({.partition = partition,
                          .error = std::move(read.damage),
                          .first = limits.first,
                          .next = limits.next,
                          .skip_to = read.skip_to,
                          .runs = std::move(read.runs)});
    }

    void finish_or_wait() {
        if (volume_.bytes >= plan_.bytes_min || has_errors_ || is_late_) {
            is_done_ = true;
            shard_.runtime().cancel(timer_);
            count();
            done_(std::exchange(found_, {}));
            read_ahead();
            return;
        }
        is_waiting_ = true;
        for (const auto& wanted : plan_.wanted) {
            if (registered_.insert(wanted.partition).second) {
                waiters_.wait(wanted.partition, weak_from_this());
            }
        }
    }

    /// What whoever takes all of this will ask for next.
    void read_ahead() {
        if (has_errors_ || !volume_.is_of_old_records(plan_.bytes_max)) {
            return;
        }
        auto end = ends_.begin();
        for (auto& wanted : plan_.wanted) {
            if (end != ends_.end() && end->partition == wanted.partition) {
                wanted.offset = (end++)->from;
            }
        }
        auto requests = list_requests();
        if (!has_errors_) {
            ahead_.begin(std::move(requests), plan_.bytes_max);
        }
    }

    void count() {
        const auto view = shard_.catalog().view();
        for (auto& found : found_) {
            found.record_count = record_count_of(found.runs);
            if (found.record_count > 0) {
                shard_.traffic().count_out(
                    *view,
                    found.partition,
                    {.records = found.record_count, .bytes = found.runs.size()});
            }
        }
    }

    Shard& shard_;
    FetchWaiters& waiters_;
    ReadAhead& ahead_;
    FetchPlan plan_;
    FetchedDone done_;
    std::set<PartitionId> registered_;  ///< of which the next growth is told
    std::vector<Fetched> found_;
    ReadAhead::Requests ends_;  ///< where the last read has ended, in the order of what is wanted
    Volume volume_;
    bool has_errors_ = false;
    bool is_late_ = false;
    bool is_reading_ = false;
    bool is_waiting_ = false;
    bool is_done_ = false;
    TimerId timer_ = 0;
};

std::size_t fetch_share(std::size_t bytes_max,
                        std::size_t frame_bytes_max,
                        std::size_t shard_count) {
    const auto share = std::min(bytes_max, frame_bytes_max / 2) / shard_count;
    return std::max<std::size_t>(share, 1);
}

void Fetcher::start(FetchPlan plan, FetchedDone done) {
    std::make_shared<Job>(*this, std::move(plan), std::move(done))->start();
}

}  // namespace millrace::broker::delivery
