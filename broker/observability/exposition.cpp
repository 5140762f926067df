#include "broker/observability/exposition.hpp"

#include <map>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace millrace::broker {
namespace {

prometheus::MetricType type_of(MetricSample::Kind kind) {
    switch (kind) {
        case MetricSample::Kind::counter:
            return prometheus::MetricType::Counter;
        case MetricSample::Kind::gauge:
            return prometheus::MetricType::Gauge;
        case MetricSample::Kind::histogram:
            return prometheus::MetricType::Histogram;
    }
    return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric metric_of(const MetricSample& sample) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : sample.labels) {
        metric.label.push_back({name, value});
    }
    if (sample.kind == MetricSample::Kind::counter) {
        metric.counter.value = sample.value;
    } else if (sample.kind == MetricSample::Kind::gauge) {
        metric.gauge.value = sample.value;
    } else {
        std::uint64_t cumulated = 0;
        for (std::size_t i = 0; i < Histogram::bucket_count; ++i) {
            cumulated += sample.histogram->bucket(i);
            metric.histogram.bucket.push_back(
                {cumulated, static_cast<double>(std::uint64_t{1} << i)});
        }
        metric.histogram.sample_count = cumulated;
        metric.histogram.sample_sum = static_cast<double>(sample.histogram->sum());
    }
    return metric;
}

}  // namespace

std::string format_metrics(const MetricsRegistry& registry) {
    std::map<std::string, prometheus::MetricFamily> families;
    for (const auto& sample : registry.samples()) {
        auto& family = families[sample.name];
        family.name = sample.name;
        family.help = sample.help;
        family.type = type_of(sample.kind);
        family.metric.push_back(metric_of(sample));
    }
    std::vector<prometheus::MetricFamily> all;
    all.reserve(families.size());
    for (auto& [name, family] : families) {
        all.push_back(std::move(family));
    }
    return prometheus::TextSerializer().Serialize(all);
}

}  // namespace millrace::broker
