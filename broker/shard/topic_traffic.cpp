#include "broker/shard/topic_traffic.hpp"

namespace millrace::broker {

TopicTraffic::Counters TopicTraffic::make(std::string topic) {
    if (topics_.size() < topics_counted_max) {
        topics_.insert(topic);
    } else if (!topics_.contains(topic)) {
        topic = "(others)";
    }
    const Labels labels{{"topic", topic}};
    return {.records_in = metrics_.counter(
                "millrace_topic_records_in_total", "Records accepted, by topic.", labels),
            .bytes_in = metrics_.counter(
                "millrace_topic_bytes_in_total", "Bytes of accepted batches, by topic.", labels),
            .records_out = metrics_.counter(
                "millrace_topic_records_out_total", "Records read by fetches, by topic.", labels),
            .bytes_out = metrics_.counter("millrace_topic_bytes_out_total",
                                          "Bytes of batches read by fetches, by topic.",
                                          labels),
            .repeats = metrics_.counter(
                "millrace_topic_duplicates_total", "Records that were there already.", labels)};
}

const TopicTraffic::Counters* TopicTraffic::of(const CatalogView& catalog, PartitionId partition) {
    if (const auto found = counters_.find(partition); found != counters_.end()) {
        return &found->second;
    }
    const auto* const ref = catalog.find(partition);
    return ref == nullptr ? nullptr
                          : &counters_.emplace(partition, make(ref->topic->name)).first->second;
}

void TopicTraffic::count_in(const CatalogView& catalog, PartitionId partition, Volume volume) {
    if (const auto* const counters = of(catalog, partition)) {
        counters->records_in.add(volume.records);
        counters->bytes_in.add(volume.bytes);
    }
}

void TopicTraffic::count_repeats(const CatalogView& catalog,
                                 PartitionId partition,
                                 std::uint64_t records) {
    if (const auto* const counters = of(catalog, partition)) {
        counters->repeats.add(records);
    }
}

void TopicTraffic::count_out(const CatalogView& catalog, PartitionId partition, Volume volume) {
    if (const auto* const counters = of(catalog, partition)) {
        counters->records_out.add(volume.records);
        counters->bytes_out.add(volume.bytes);
    }
}

}  // namespace millrace::broker
