#include "broker/delivery/reading/fetch.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/shard/topic_traffic.hpp"
#include "storage/base/batch_header.hpp"

namespace millrace::broker::delivery {
namespace {

/// One shard's part of a fetch: reads, and where too little is there waits for more until the time
/// is over.
class FetchJob final : public FetchWaiters::Waiter, public std::enable_shared_from_this<FetchJob> {
  public:
    FetchJob(Shard& shard, FetchWaiters& waiters, FetchPlan plan, FetchedDone done)
        : shard_(shard), waiters_(waiters), plan_(std::move(plan)), done_(std::move(done)) {
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
    void go_on() {
        if (is_done_ || is_reading_) {
            return;
        }
        is_waiting_ = false;
        found_.clear();
        bytes_ = 0;
        read();
    }

    /// A little of every partition: they lie mixed in the log, so side by side they cost the disk
    /// what one of them alone would.
    void read() {
        std::vector<storage::ReadRequest> requests;
        requests.reserve(plan_.wanted.size());
        found_.reserve(plan_.wanted.size());
        for (const auto& wanted : plan_.wanted) {
            if (needs_reading(wanted)) {
                requests.push_back({.partition = wanted.partition,
                                    .from = wanted.offset,
                                    .bytes_max = wanted.bytes_max});
            }
        }
        if (requests.empty()) {
            finish_or_wait();
            return;
        }
        const auto share = std::max<std::size_t>(plan_.bytes_max / requests.size(), 1);
        for (auto& request : requests) {
            request.bytes_max = std::min(request.bytes_max, share);
        }
        is_reading_ = true;
        shard_.store().read_all(
            requests, plan_.bytes_max, [self = shared_from_this(), requests](auto results) {
                for (std::size_t i = 0; i < results.size(); ++i) {
                    self->take(requests[i].partition, std::move(results[i]));
                }
                self->is_reading_ = false;
                self->finish_or_wait();
            });
    }

    bool needs_reading(const Wanted& wanted) {
        const auto limits = shard_.bounds(wanted.partition);
        if (!limits) {
            add_error(
                wanted.partition,
                fail(Errc::unknown_partition,
                     "partition " + std::to_string(wanted.partition.value) + " does not exist"));
            return false;
        }
        return wanted.offset != limits->next;
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
        bytes_ += read.runs.size();
        has_errors_ |= read.damage.has_value();
        found_.push_back({.partition = partition,
                          .error = std::move(read.damage),
                          .first = limits.first,
                          .next = limits.next,
                          .skip_to = read.skip_to,
                          .runs = std::move(read.runs)});
    }

    void finish_or_wait() {
        if (bytes_ >= plan_.bytes_min || has_errors_ || is_late_) {
            is_done_ = true;
            shard_.runtime().cancel(timer_);
            count();
            done_(std::move(found_));
            return;
        }
        is_waiting_ = true;
        for (const auto& wanted : plan_.wanted) {
            if (registered_.insert(wanted.partition).second) {
                waiters_.wait(wanted.partition, weak_from_this());
            }
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
    FetchPlan plan_;
    FetchedDone done_;
    std::set<PartitionId> registered_;  ///< of which the next growth is told
    std::vector<Fetched> found_;
    std::size_t bytes_ = 0;
    bool has_errors_ = false;
    bool is_late_ = false;
    bool is_reading_ = false;
    bool is_waiting_ = false;
    bool is_done_ = false;
    TimerId timer_ = 0;
};

}  // namespace

std::size_t fetch_share(std::size_t bytes_max,
                        std::size_t frame_bytes_max,
                        std::size_t shard_count) {
    const auto share = std::min(bytes_max, frame_bytes_max / 2) / shard_count;
    return std::max<std::size_t>(share, 1);
}

void start_fetch(Shard& shard, FetchWaiters& waiters, FetchPlan plan, FetchedDone done) {
    std::make_shared<FetchJob>(shard, waiters, std::move(plan), std::move(done))->start();
}

}  // namespace millrace::broker::delivery
