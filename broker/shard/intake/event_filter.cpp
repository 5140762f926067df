#include "broker/shard/intake/event_filter.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace millrace::broker {
namespace {

constexpr std::string_view event_prefix = "e/";

std::string prefix_of(PartitionId partition) {
    return std::string(event_prefix) + std::to_string(partition.value) + "/";
}

Result<PartitionId> partition_of(std::string_view key) {
    PartitionId partition;
    const auto* const end = key.data() + key.size();
    const auto [stop, code] =
        std::from_chars(key.data() + event_prefix.size(), end, partition.value);
    if (code != std::errc{} || stop == end || *stop != '/') {
        return fail(Errc::corrupt, "event ids: a row with the key " + std::string(key));
    }
    return partition;
}

Result<std::vector<std::byte>> pack_without(std::span<const std::byte> batch,
                                            std::span<const RepeatedRecord> repeats,
                                            wire::Codec codec) {
    MILLRACE_TRY(const auto summary, wire::parse_batch_header(batch));
    wire::RecordBatchBuilder builder;
    auto left_out = repeats.begin();
    MILLRACE_TRY(wire::visit_records(batch, [&](std::uint32_t number, const auto& record) {
        if (left_out != repeats.end() && left_out->number == number) {
            ++left_out;
        } else {
            builder.add(record);
        }
        return true;
    }));
    return builder.finish({.id = summary.producer_id,
                           .epoch = summary.producer_epoch,
                           .base_sequence = summary.base_sequence},
                          codec);
}

}  // namespace

Result<std::vector<std::byte>> batch_without(std::span<const std::byte> batch,
                                             std::span<const RepeatedRecord> repeats,
                                             std::size_t bytes_max) {
    MILLRACE_TRY(const auto summary, wire::parse_batch_header(batch));
    std::size_t smallest = std::numeric_limits<std::size_t>::max();
    for (const auto codec : {summary.codec, wire::Codec::zstd, wire::Codec::none}) {
        MILLRACE_TRY(auto packed, pack_without(batch, repeats, codec));
        if (packed.size() <= bytes_max) {
            return packed;
        }
        smallest = std::min(smallest, packed.size());
    }
    return fail(Errc::record_too_large,
                "a batch of " + std::to_string(smallest) +
                    " bytes once the records that are there already are left out and the rest is "
                    "packed again, limit record_batch_bytes_max is " +
                    std::to_string(bytes_max) + ": send its records in smaller batches");
}

EventFilter::EventFilter(const ShardOptions& options, MetricsRegistry& metrics)
    : options_(options),
      held_(metrics.gauge(
          "millrace_shard_event_ids", "Event ids that are remembered.", shard_label(options.id))),
      evicted_(metrics.counter("millrace_shard_event_ids_evicted_total",
                               "Event ids forgotten before their window ended, for want of room.",
                               shard_label(options.id))) {}

EventFilter::Judged EventFilter::judge(PartitionId partition,
                                       const CheckedBatch& batch,
                                       const Moment& moment) const {
    Judged judged;
    const auto known = partitions_.find(partition);
    std::unordered_map<wire::EventId, EventPlace> here;
    for (const auto& record : batch.ids) {
        const auto* place = known == partitions_.end() ? nullptr : known->second.find(record.id);
        if (place != nullptr && place->append_time_us <= moment.now_us - moment.window_us) {
            place = nullptr;
        }
        const auto rank = record.number - judged.repeats.size();
        const EventPlace fresh{.offset = moment.next + rank, .append_time_us = moment.now_us};
        if (place == nullptr) {
            const auto [first, is_new] = here.try_emplace(record.id, fresh);
            place = is_new ? nullptr : &first->second;
        }
        if (place == nullptr) {
            judged.fresh.push_back(record);
            continue;
        }
        judged.repeats.push_back({.number = record.number,
                                  .offset = place->offset,
                                  .append_time_us = place->append_time_us});
        if (place->proposal != 0 &&
            std::ranges::find(judged.proposals, place->proposal) == judged.proposals.end()) {
            judged.proposals.push_back(place->proposal);
        }
    }
    return judged;
}

std::vector<RepeatedRecord> EventFilter::places_of_resent(PartitionId partition,
                                                          const CheckedBatch& batch,
                                                          Offset base) const {
    std::vector<RepeatedRecord> repeats;
    const auto known = partitions_.find(partition);
    if (known == partitions_.end()) {
        return repeats;
    }
    for (const auto& record : batch.ids) {
        const auto* const place = known->second.find(record.id);
        const auto in_order = base + (record.number - repeats.size());
        if (place != nullptr && place->offset != in_order) {
            repeats.push_back({.number = record.number,
                               .offset = place->offset,
                               .append_time_us = place->append_time_us});
        }
    }
    return repeats;
}

void EventFilter::drop_oldest(PartitionId partition, EventIndex& index, Reason reason) {
    oldest_.erase({index.oldest_time_us(), partition});
    const auto before = index.size();
    index.drop_oldest();
    count_ -= before - index.size();
    if (reason == Reason::limit && before != index.size() && !is_restoring_) {
        evicted_.add();
    }
    if (!index.is_empty()) {
        oldest_.emplace(index.oldest_time_us(), partition);
    }
}

void EventFilter::expire(PartitionId partition, EventIndex& index, UnixMicros before_us) {
    while (!index.is_empty() && index.oldest_time_us() <= before_us) {
        drop_oldest(partition, index, Reason::expired);
    }
}

void EventFilter::keep_limits(PartitionId partition, EventIndex& index) {
    while (index.size() > options_.event_ids_per_partition_max) {
        drop_oldest(partition, index, Reason::limit);
    }
    while (count_ > options_.event_ids_per_shard_max) {
        const auto oldest = oldest_.begin()->second;
        drop_oldest(oldest, partitions_.at(oldest), Reason::limit);
    }
}

void EventFilter::add(PartitionId partition, const wire::EventId& id, const EventPlace& place) {
    auto& index = partitions_[partition];
    if (index.is_empty()) {
        oldest_.emplace(place.append_time_us, partition);
    }
    const auto before = index.size();
    index.add(id, place);
    count_ += index.size() - before;
    keep_limits(partition, index);
}

void EventFilter::remember(PartitionId partition,
                           const Judged& judged,
                           const Moment& moment,
                           std::uint64_t proposal) {
    is_restoring_ = false;
    if (judged.fresh.empty()) {
        return;
    }
    expire(partition, partitions_[partition], moment.now_us - moment.window_us);
    auto repeat = judged.repeats.begin();
    std::uint32_t left_out = 0;
    for (const auto& record : judged.fresh) {
        while (repeat != judged.repeats.end() && repeat->number < record.number) {
            ++repeat;
            ++left_out;
        }
        add(partition,
            record.id,
            {.offset = moment.next + (record.number - left_out),
             .append_time_us = moment.now_us,
             .proposal = proposal});
    }
    held_.set(static_cast<std::int64_t>(count_));
}

void EventFilter::note_recovered(const BatchHeader& header, std::span<const std::byte> batch) {
    const auto checked = check_batch(batch, EventIdSearch::look, RecordLimits{});
    if (!checked) {
        return;  // the readers are told when they come there
    }
    for (const auto& record : checked.value().ids) {
        const EventPlace place{.offset = header.base_offset + record.number,
                               .append_time_us = header.append_time_us};
        if (place.offset >= partitions_[header.partition].end()) {
            add(header.partition, record.id, place);
        }
    }
    held_.set(static_cast<std::int64_t>(count_));
}

void EventFilter::drop_proposal(std::uint64_t proposal) {
    oldest_.clear();
    count_ = 0;
    for (auto& [partition, index] : partitions_) {
        index.drop_proposal(proposal);
        count_ += index.size();
        if (!index.is_empty()) {
            oldest_.emplace(index.oldest_time_us(), partition);
        }
    }
    held_.set(static_cast<std::int64_t>(count_));
}

Result<void> EventFilter::restore(const storage::ShardStore& store) {
    Result<void> outcome = ok();
    const auto take = [&](std::string_view key, std::string_view value) -> Result<void> {
        MILLRACE_TRY(const auto partition, partition_of(key));
        auto& index = partitions_[partition];
        const auto before = index.size();
        MILLRACE_TRY(index.parse_row(value));
        count_ += index.size() - before;
        oldest_.emplace(index.oldest_time_us(), partition);
        keep_limits(partition, index);
        return ok();
    };
    MILLRACE_TRY(
        store.visit_state(event_prefix, "", [&](std::string_view key, std::string_view value) {
            outcome = take(key, value);
            return outcome.has_value();
        }));
    held_.set(static_cast<std::int64_t>(count_));
    return outcome;
}

void EventFilter::write_state(const CatalogView& catalog,
                              UnixMicros now_us,
                              const storage::ShardStore& store,
                              storage::StateWriter& state) {
    for (auto& [partition, index] : partitions_) {
        if (const auto* const ref = catalog.find(partition)) {
            expire(partition, index, now_us - duplicate_window_us(*ref->topic));
        }
        index.write_rows(store.bounds(partition).next, prefix_of(partition), state);
    }
    held_.set(static_cast<std::int64_t>(count_));
}

void EventFilter::forget(PartitionId partition, storage::ShardStore& store) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) {
        return;
    }
    count_ -= found->second.size();
    if (!found->second.is_empty()) {
        oldest_.erase({found->second.oldest_time_us(), partition});
    }
    partitions_.erase(found);
    std::vector<std::string> keys;
    (void)store.visit_state(prefix_of(partition), "", [&](std::string_view key, std::string_view) {
        keys.emplace_back(key);
        return true;
    });
    for (const auto& key : keys) {
        store.erase_state(key);
    }
    held_.set(static_cast<std::int64_t>(count_));
}

}  // namespace millrace::broker
