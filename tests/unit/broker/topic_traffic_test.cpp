#include "broker/shard/topic_traffic.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

/// A catalog with one partition of a topic.
CatalogView view_of(PartitionId partition, const std::string& topic) {
    auto info = std::make_shared<TopicInfo>();
    info->name = topic;
    info->partitions.push_back({.id = partition});
    CatalogView view;
    view.partitions[partition] = {.topic = std::move(info), .index = 0};
    return view;
}

TEST(TopicTraffic, CountsTopicsBeyondItsLimitTogether) {
    MetricsRegistry metrics;
    TopicTraffic traffic(metrics);
    const auto count = [&](std::uint32_t number) {
        const PartitionId partition{number};
        traffic.count_in(
            view_of(partition, "t" + std::to_string(number)), partition, {.records = 1});
        traffic.forget(partition);
    };
    constexpr auto beyond = 3U;
    const auto last = static_cast<std::uint32_t>(TopicTraffic::topics_counted_max) + beyond;
    for (std::uint32_t number = 0; number < last; ++number) {
        count(number);
    }
    count(0);  // known from before
    const auto counted = [&](const std::string& topic) {
        return metrics.counter("millrace_topic_records_in_total", "", {{"topic", topic}}).value();
    };
    EXPECT_EQ(counted("t0"), 2U);
    EXPECT_EQ(counted("(others)"), beyond);
}

}  // namespace
}  // namespace millrace::broker
