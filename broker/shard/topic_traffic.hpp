#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "broker/catalog/catalog_view.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// Counts what comes in and is read, by topic: `millrace_topic_records_in_total` and its like.
///
/// Promise:  bounded where topics come and go: names beyond `topics_counted_max` since the start
///           share the label "(others)", of latencies those beyond `topics_timed_max`.
/// Threads:  the shard's.
class TopicTraffic {
  public:
    struct Volume {
        std::uint64_t records = 0;
        std::uint64_t bytes = 0;
    };
    static constexpr std::size_t topics_counted_max = 10'000;
    static constexpr std::size_t topics_timed_max = 1'000;  ///< each has a line for every bucket
    explicit TopicTraffic(MetricsRegistry& metrics) : metrics_(metrics) {}

    /// Returns where the time from the publish to its answer is noted; null for a partition that
    /// does not exist any more. The handle belongs to the partition and spares a look once it is
    /// known. **Requires** that it goes when the partition is forgotten.
    class Handle;
    Histogram* count_in(const CatalogView& catalog,
                        PartitionId partition,
                        Handle& handle,
                        Volume volume);
    /// Records that were there already: of batches that came again, and of events by their ids.
    void count_repeats(const CatalogView& catalog, PartitionId partition, std::uint64_t records);
    /// By fetches; deliveries have the numbers of their subscription.
    void count_out(const CatalogView& catalog, PartitionId partition, Volume volume);
    void forget(PartitionId partition) { counters_.erase(partition); }

  private:
    struct Counters {
        Counter& records_in;
        Counter& bytes_in;
        Counter& records_out;
        Counter& bytes_out;
        Counter& repeats;
        Histogram& latency_us;
    };
    /// Nothing for a partition that does not exist any more.
    [[nodiscard]] const Counters* of(const CatalogView& catalog, PartitionId partition);
    [[nodiscard]] Counters make(const std::string& topic);

    MetricsRegistry& metrics_;
    LabelledNames topics_{topics_counted_max};
    LabelledNames timed_{topics_timed_max};
    std::unordered_map<PartitionId, Counters> counters_;
};

class TopicTraffic::Handle {
    friend TopicTraffic;
    const Counters* counters_ = nullptr;
};

}  // namespace millrace::broker
