#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/base/ids.hpp"

namespace millrace {

/// Only rises. One writer or many; readers any.
class Counter {
  public:
    void add(std::uint64_t count = 1) noexcept {
        value_.fetch_add(count, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// Rises and falls.
class Gauge {
  public:
    void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t count) noexcept { value_.fetch_add(count, std::memory_order_relaxed); }
    [[nodiscard]] std::int64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::int64_t> value_{0};
};

/// Counts values in buckets of powers of two from 1 to 2^31 microseconds (or bytes, or whatever the
/// name says).
class Histogram {
  public:
    static constexpr std::size_t bucket_count = 32;

    void observe(std::uint64_t value) noexcept;
    /// Values not above 2^bucket, not cumulated.
    [[nodiscard]] std::uint64_t bucket(std::size_t index) const noexcept {
        return buckets_[index].load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t sum() const noexcept {
        return sum_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t count() const noexcept;

  private:
    std::array<std::atomic<std::uint64_t>, bucket_count> buckets_{};
    std::atomic<std::uint64_t> sum_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

/// What every metric of a shard carries.
[[nodiscard]] inline Labels shard_label(ShardId shard) {
    return {{"shard", std::to_string(shard.value)}};
}

/// Names that come and go, of which as many as come first have a label of their own; the others
/// share one, so that a page of metrics stays bounded.
///
/// Threads:  one at a time.
class LabelledNames {
  public:
    static constexpr const char* others = "(others)";
    explicit LabelledNames(std::size_t names_max) : names_max_(names_max) {}
    [[nodiscard]] std::string label_of(const std::string& name) {
        if (names_.size() < names_max_) {
            names_.insert(name);
        }
        return names_.contains(name) ? name : others;
    }

  private:
    std::size_t names_max_;
    std::unordered_set<std::string> names_;
};

/// One metric as it stands when somebody looks.
struct MetricSample {
    enum class Kind { counter, gauge, histogram };
    std::string name;
    std::string help;
    Kind kind = Kind::counter;
    Labels labels;
    double value = 0;
    const Histogram* histogram = nullptr;
};

/// Names metrics and lists them for the exporter.
///
/// Place:    below everything that counts; the exporter in broker/observability reads it.
/// Promise:  a metric asked for twice with the same name and labels is the same object and lives as
/// long as the registry. Threads:  any; registration locks, counting does not.
class MetricsRegistry {
  public:
    Counter& counter(std::string name, std::string help, Labels labels = {});
    Gauge& gauge(std::string name, std::string help, Labels labels = {});
    Histogram& histogram(std::string name, std::string help, Labels labels = {});

    [[nodiscard]] std::vector<MetricSample> samples() const;

  private:
    struct Entry {
        MetricSample description;
        std::unique_ptr<Counter> counter;
        std::unique_ptr<Gauge> gauge;
        std::unique_ptr<Histogram> histogram;
    };
    Entry& entry(MetricSample description);

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Entry>> entries_;
    std::unordered_map<std::string, Entry*> by_name_;  ///< and labels
};

}  // namespace millrace
