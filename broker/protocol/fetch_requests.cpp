#include <algorithm>
#include <map>

#include "broker/catalog/catalog_service.hpp"
#include "broker/protocol/fetch_waiters.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace::broker::protocol {
namespace {

struct Wanted {
    PartitionId partition;
    Offset offset;
    std::size_t bytes_max = 0;
};
struct Fetched {
    PartitionId partition;
    std::optional<Error> error;
    Offset first;
    Offset next;
    Offset skip_to;
    std::vector<std::byte> runs;
};
struct FetchPlan {
    std::vector<Wanted> wanted;
    std::size_t bytes_min = 1;
    std::size_t bytes_max = 0;
    Duration wait_max{0};
};
using FetchedDone = std::function<void(std::vector<Fetched>)>;

/// One shard's part of a fetch: reads, and where too little is there waits for more until the time
/// is over.
class FetchJob final : public FetchWaiters::Waiter, public std::enable_shared_from_this<FetchJob> {
  public:
    FetchJob(const ShardServices& services, FetchPlan plan, FetchedDone done)
        : services_(services), plan_(std::move(plan)), done_(std::move(done)) {}

    void start() {
        timer_ = services_.shard->runtime().run_after(plan_.wait_max, [self = shared_from_this()] {
            self->is_late_ = true;
            self->go_on();
        });
        go_on();
    }
    void on_grown() override {
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
        services_.shard->store().read_all(
            requests, plan_.bytes_max, [self = shared_from_this(), requests](auto results) {
                for (std::size_t i = 0; i < results.size(); ++i) {
                    self->take(requests[i].partition, std::move(results[i]));
                }
                self->is_reading_ = false;
                self->finish_or_wait();
            });
    }

    bool needs_reading(const Wanted& wanted) {
        const auto limits = services_.shard->bounds(wanted.partition);
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
        const auto limits = services_.shard->bounds(partition).value_or(storage::PartitionBounds{});
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
            services_.shard->runtime().cancel(timer_);
            done_(std::move(found_));
            return;
        }
        is_waiting_ = true;
        for (const auto& wanted : plan_.wanted) {
            services_.waiters->wait(wanted.partition, weak_from_this());
        }
    }

    const ShardServices& services_;
    FetchPlan plan_;
    FetchedDone done_;
    std::vector<Fetched> found_;
    std::size_t bytes_ = 0;
    bool has_errors_ = false;
    bool is_late_ = false;
    bool is_reading_ = false;
    bool is_waiting_ = false;
    bool is_done_ = false;
    TimerId timer_ = 0;
};

struct FetchJoin {
    std::shared_ptr<Session> session;
    wire::FrameHeader header;
    std::vector<Fetched> found;
    std::size_t shards_left = 0;

    void add(std::vector<Fetched> part) {
        std::ranges::move(part, std::back_inserter(found));
        if (--shards_left == 0) {
            answer();
        }
    }
    void answer() const {
        wire::FetchAnswerT message;
        std::vector<std::span<const std::byte>> raw;
        for (const auto& part : found) {
            auto partition = std::make_unique<wire::FetchedPartitionT>();
            partition->partition_id = part.partition.value;
            partition->error = part.error ? to_wire(*part.error) : nullptr;
            partition->run_bytes = static_cast<std::uint32_t>(part.runs.size());
            partition->first_offset = part.first.value;
            partition->next_offset = part.next.value;
            partition->skip_to = part.skip_to.value;
            message.partitions.push_back(std::move(partition));
            raw.emplace_back(part.runs);
            session->metrics().count_out(part.runs);
        }
        session->answer(header, message, raw);
    }
};

std::map<ShardId, FetchPlan> plans_of(const wire::FetchRequest& request,
                                      const CatalogView& view,
                                      ShardId here,
                                      std::size_t frame_bytes_max) {
    std::map<ShardId, FetchPlan> plans;
    for (const auto* const wanted : *request.partitions()) {
        const PartitionId id{wanted->partition_id()};
        const auto* const ref = view.find(id);
        auto& plan = plans[ref == nullptr ? here : ref->info().shard];
        plan.wanted.push_back({.partition = id,
                               .offset = Offset{wanted->offset()},
                               .bytes_max = wanted->bytes_max()});
        plan.bytes_min = request.bytes_min();
        // A batch may be larger than what is left; half a frame leaves room for that.
        plan.bytes_max = std::min<std::size_t>(request.bytes_max(), frame_bytes_max / 2);
        plan.wait_max = std::chrono::milliseconds(std::min(request.wait_max_ms(), 60'000U));
    }
    return plans;
}

}  // namespace

void handle_fetch(const Request& request) {
    const auto table = wire::verify_table<wire::FetchRequest>(request.table);
    if (!table || table.value()->partitions() == nullptr ||
        table.value()->partitions()->size() == 0) {
        request.refuse(table ? fail(Errc::invalid_argument, "a fetch without partitions")
                             : table.error());
        return;
    }
    const auto& session = request.session;
    const auto here = session->shard_id();
    auto plans = plans_of(*table.value(),
                          *session->services().shard->catalog().view(),
                          here,
                          session->limits().frame_bytes_max);
    auto join = std::make_shared<FetchJoin>();
    join->session = session;
    join->header = request.header;
    join->shards_left = plans.size();
    for (auto& [shard, plan] : plans) {
        start_on<std::vector<Fetched>>(
            session->table(),
            here,
            shard,
            [plan = std::move(plan)](const ShardServices& services, const auto& done) {
                std::make_shared<FetchJob>(services, plan, done)->start();
            },
            [join](std::vector<Fetched> part) { join->add(std::move(part)); });
    }
}

}  // namespace millrace::broker::protocol
