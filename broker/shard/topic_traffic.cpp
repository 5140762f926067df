#include "broker/shard/topic_traffic.hpp"

namespace millrace::broker {

namespace {

/// Its own name as long as there is room for another.
Labels label_of(const std::string& topic,
                std::unordered_set<std::string>& known,
                std::size_t names_max) {
    if (known.size() < names_max) {
        known.insert(topic);
    }
    return {{"topic", known.contains(topic) ? topic : "(others)"}};
}

}  // namespace

TopicTraffic::Counters TopicTraffic::make(const std::string& topic) {
    const auto labels = label_of(topic, topics_, topics_counted_max);
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
                "millrace_topic_duplicates_total", "Records that were there already.", labels),
            .latency_us = metrics_.histogram("millrace_topic_publish_latency_us",
                                             "From the arrival of a publish to its answer.",
                                             label_of(topic, timed_, topics_timed_max))};
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

Histogram* TopicTraffic::latency_us(const CatalogView& catalog, PartitionId partition) {
    const auto* const counters = of(catalog, partition);
    return counters == nullptr ? nullptr : &counters->latency_us;
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
