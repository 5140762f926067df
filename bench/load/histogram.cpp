#include "bench/load/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::bench {

std::size_t LatencyHistogram::bucket_of(std::uint64_t value) {
    if (value < sub_buckets) {
        return static_cast<std::size_t>(value);
    }
    // The leading bit picks the power, the six bits after it the bucket within.
    const auto shift = static_cast<std::size_t>(std::bit_width(value)) - 7;
    const auto bucket = (shift + 1) * sub_buckets + ((value >> shift) & (sub_buckets - 1));
    return std::min(bucket, sub_buckets * powers - 1);
}

std::uint64_t LatencyHistogram::upper_bound_of(std::size_t bucket) {
    if (bucket < sub_buckets) {
        return bucket;
    }
    const auto shift = bucket / sub_buckets - 1;
    return ((bucket % sub_buckets + sub_buckets + 1) << shift) - 1;
}

void LatencyHistogram::add(std::uint64_t latency_us) {
    ++buckets_[bucket_of(latency_us)];
    ++count_;
    max_ = std::max(max_, latency_us);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        buckets_[i] += other.buckets_[i];
    }
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

std::vector<LatencyHistogram::Range> LatencyHistogram::by_power_of_two() const {
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        if (buckets_[i] == 0) {
            continue;
        }
        const auto power = std::bit_ceil(upper_bound_of(i));
        while (!ranges.empty() && ranges.back().upto_us < power) {
            ranges.push_back({.upto_us = std::max<std::uint64_t>(ranges.back().upto_us * 2, 1)});
        }
        if (ranges.empty()) {
            ranges.push_back({.upto_us = power});
        }
        ranges.back().count += buckets_[i];
    }
    return ranges;
}

std::uint64_t LatencyHistogram::percentile(double share) const {
    const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen >= rank && seen > 0) {
            return std::min(upper_bound_of(i), max_);
        }
    }
    return max_;
}

}  // namespace millrace::bench
