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
        TopicTraffic::Handle handle;
        traffic.count_in(
            view_of(partition, "t" + std::to_string(number)), partition, handle, {.records = 1});
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

TEST(TopicTraffic, TimesTopicsBeyondItsLimitTogether) {
    MetricsRegistry metrics;
    TopicTraffic traffic(metrics);
    for (std::uint32_t number = 0; number < TopicTraffic::topics_timed_max + 2; ++number) {
        const PartitionId partition{number};
        TopicTraffic::Handle handle;
        auto* const latency = traffic.count_in(
            view_of(partition, "t" + std::to_string(number)), partition, handle, {});
        ASSERT_NE(latency, nullptr);
        latency->observe(1);
    }
    const auto timed = [&](const std::string& topic) {
        return metrics.histogram("millrace_topic_publish_latency_us", "", {{"topic", topic}})
            .count();
    };
    EXPECT_EQ(timed("t0"), 1U);
    EXPECT_EQ(timed("(others)"), 2U);
    TopicTraffic::Handle unknown;
    EXPECT_EQ(traffic.count_in(CatalogView{}, PartitionId{99'999}, unknown, {}), nullptr);
}

TEST(TopicTraffic, HandleCountsForTheTopicOfItsPartition) {
    MetricsRegistry metrics;
    TopicTraffic traffic(metrics);
    const PartitionId partition{7};
    TopicTraffic::Handle handle;
    EXPECT_EQ(traffic.count_in(CatalogView{}, partition, handle, {}), nullptr);
    auto* const latency =
        traffic.count_in(view_of(partition, "t"), partition, handle, {.records = 2});
    ASSERT_NE(latency, nullptr);
    EXPECT_EQ(traffic.count_in(CatalogView{}, partition, handle, {.records = 3}), latency);
    EXPECT_EQ(metrics.counter("millrace_topic_records_in_total", "", {{"topic", "t"}}).value(), 5U);
}

}  // namespace
}  // namespace millrace::broker
