#include "broker/shard/topic_traffic.hpp"

namespace millrace::broker {

TopicTraffic::Counters TopicTraffic::make(const std::string& topic) {
    const Labels labels{{"topic", topics_.label_of(topic)}};
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
                                             {{"topic", timed_.label_of(topic)}})};
}

const TopicTraffic::Counters* TopicTraffic::of(const CatalogView& catalog, PartitionId partition) {
    if (const auto found = counters_.find(partition); found != counters_.end()) {
        return &found->second;
    }
    const auto* const ref = catalog.find(partition);
    return ref == nullptr ? nullptr
                          : &counters_.emplace(partition, make(ref->topic->name)).first->second;
}

Histogram* TopicTraffic::count_in(const CatalogView& catalog,
                                  PartitionId partition,
                                  Handle& handle,
                                  Volume volume) {
    if (handle.counters_ == nullptr) {
        handle.counters_ = of(catalog, partition);
    }
    if (handle.counters_ == nullptr) {
        return nullptr;
    }
    handle.counters_->records_in.add(volume.records);
    handle.counters_->bytes_in.add(volume.bytes);
    return &handle.counters_->latency_us;
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
