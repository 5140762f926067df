#pragma once

#include <array>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/shard/intake/publish_queue.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// Whether what may wait fits below the log's backlog, with room for what else goes there. Errors:
/// configuration.
[[nodiscard]] Result<void> check_limits(const ShardOptions& options);

/// How much a batch matters when something is short.
[[nodiscard]] Criticality criticality_of(const TopicInfo& topic, const PublishBatch& batch);
/// The same; standard where nobody knows the partition.
[[nodiscard]] Criticality criticality_of(const CatalogView& catalog, const PublishBatch& batch);

/// Decides which batch may go to the log now: critical topics first, bulk last.
///
/// Promise:  a batch of a class waits here while enough of its class is between the log and the
/// disk.
///           While a more critical class is about that is a slice at a time, and bulk rests between
///           its slices, so that what is critical finds little in front of it, on the disk and on
///           the processor. Partitions of a class take turns; the batches of one keep their order.
///           What waits is bounded by the class's share of `PublishLimits::bytes_pending_max`;
///           beyond it batches are refused.
/// Threads:  the shard's.
class PublishGate {
  public:
    struct Held {
        PartitionId partition;
        std::vector<std::byte> bytes;
        bool is_background = false;
        PublishQueue::Waiter waiter;
    };
    enum class Verdict : std::uint8_t { enter, hold };

    PublishGate(const ShardOptions& options,
                const Clock& clock,
                const PublishQueue& queue,
                MetricsRegistry& metrics);

    /// Once before a run of the calls below; what follows counts as happening at that time.
    void look_at_clock() { now_ = clock_.steady_now(); }
    /// What to do with a batch that has come. Errors: limit_reached.
    [[nodiscard]] Result<Verdict> judge(const PublishBatch& batch, Criticality criticality);
    /// Once the call is answered, its time from now counts for the least critical class of those
    /// that are named.
    void measure(PublishCall& call, Criticality criticality);
    void hold(const PublishBatch& batch, Criticality criticality, PublishQueue::Waiter waiter);
    /// The next one that may go on.
    [[nodiscard]] std::optional<Held> take();
    /// Any of those that wait, whether it may go on or not.
    [[nodiscard]] std::optional<Held> take_any();
    /// How long until something that waits may go on although nothing becomes durable before.
    [[nodiscard]] std::optional<Duration> rest_left() const;
    /// How many publishes of the class have room now, at least one.
    [[nodiscard]] std::uint32_t credit(Criticality criticality) const;

  private:
    static constexpr std::size_t class_count = criticality_count;
    struct Lane {
        Lane(MetricsRegistry& metrics, ShardId shard, Criticality criticality);
        std::unordered_map<PartitionId, std::deque<Held>> waiting;
        std::deque<PartitionId> turns;
        std::size_t bytes = 0;
        std::size_t slice_bytes = 0;  ///< let in since `slice_begin`, while yielding
        SteadyTime slice_begin{};
        SteadyTime rests_until{};
        std::optional<SteadyTime> seen;  ///< when a batch of the class came last
        Gauge& pending_bytes;
        Gauge& held_bytes;
        Counter& held_total;
        Counter& refused_total;
        Histogram& latency_us;
    };
    [[nodiscard]] Lane& lane_of(Criticality criticality) {
        return lanes_[static_cast<std::size_t>(criticality)];
    }
    /// Where the partition waits already, else its class.
    [[nodiscard]] Criticality place_of(PartitionId partition, Criticality criticality) const;
    [[nodiscard]] std::size_t share_bytes(Criticality criticality) const;
    [[nodiscard]] std::size_t pending_bytes() const;
    [[nodiscard]] bool is_yielding(Criticality criticality) const;
    /// Whether a batch may go to the log now; it counts as gone then.
    [[nodiscard]] bool let_in(Criticality criticality, std::size_t bytes);
    [[nodiscard]] bool let_in_yielding(Criticality criticality, std::size_t bytes);
    /// What a yielding class had on its way is durable: bulk rests until its rate allows the next.
    void end_slice(Criticality criticality);
    Held pop(Lane& lane);
    void show();

    const PublishLimits& limits_;
    const Clock& clock_;
    const PublishQueue& queue_;
    SteadyTime now_{};
    std::array<Lane, class_count> lanes_;
};

}  // namespace millrace::broker
