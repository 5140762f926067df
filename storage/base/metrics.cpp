#include "storage/base/metrics.hpp"

#include <algorithm>
#include <bit>

#include "storage/base/assert.hpp"

namespace millrace {

void Histogram::observe(std::uint64_t value) noexcept {
    const auto width = static_cast<std::size_t>(value <= 1 ? 0 : std::bit_width(value - 1));
    buckets_[std::min(width, bucket_count - 1)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
    std::uint64_t total = 0;
    for (const auto& bucket : buckets_) {
        total += bucket.load(std::memory_order_relaxed);
    }
    return total;
}

MetricsRegistry::Entry& MetricsRegistry::entry(MetricSample description) {
    auto key = description.name;
    for (const auto& [name, value] : description.labels) {
        key.append(1, '\0').append(name).append(1, '\0').append(value);
    }
    auto& found = by_name_[std::move(key)];
    if (found == nullptr) {
        entries_.push_back(std::make_unique<Entry>());
        found = entries_.back().get();
        found->description = std::move(description);
        return *found;
    }
    MILLRACE_ASSERT(found->description.kind == description.kind);
    return *found;
}

Counter& MetricsRegistry::counter(std::string name, std::string help, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& found = entry({.name = std::move(name),
                         .help = std::move(help),
                         .kind = MetricSample::Kind::counter,
                         .labels = std::move(labels)});
    if (!found.counter) {
        found.counter = std::make_unique<Counter>();
    }
    return *found.counter;
}

Gauge& MetricsRegistry::gauge(std::string name, std::string help, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& found = entry({.name = std::move(name),
                         .help = std::move(help),
                         .kind = MetricSample::Kind::gauge,
                         .labels = std::move(labels)});
    if (!found.gauge) {
        found.gauge = std::make_unique<Gauge>();
    }
    return *found.gauge;
}

Histogram& MetricsRegistry::histogram(std::string name, std::string help, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& found = entry({.name = std::move(name),
                         .help = std::move(help),
                         .kind = MetricSample::Kind::histogram,
                         .labels = std::move(labels)});
    if (!found.histogram) {
        found.histogram = std::make_unique<Histogram>();
    }
    return *found.histogram;
}

std::vector<MetricSample> MetricsRegistry::samples() const {
    const std::lock_guard lock(mutex_);
    std::vector<MetricSample> all;
    all.reserve(entries_.size());
    for (const auto& found : entries_) {
        auto sample = found->description;
        if (found->counter) {
            sample.value = static_cast<double>(found->counter->value());
        } else if (found->gauge) {
            sample.value = static_cast<double>(found->gauge->value());
        } else {
            sample.histogram = found->histogram.get();
        }
        all.push_back(std::move(sample));
    }
    return all;
}

}  // namespace millrace
