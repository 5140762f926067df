#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/shard/intake/batch_acceptor.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/bytes.hpp"

// What is known of partitions from before, and what a checkpoint keeps of it.
namespace millrace::broker {
namespace {

constexpr std::string_view key_prefix = "p/";
/// The last append time: retention may leave no record that tells it.
constexpr std::string_view time_key = "append-time";

std::string key_of(PartitionId partition) {
    return std::string(key_prefix) + std::to_string(partition.value);
}

}  // namespace

void BatchAcceptor::note_recovered(const BatchHeader& header, std::span<const std::byte> batch) {
    last_time_us_ = std::max(last_time_us_, header.append_time_us);
    auto& partition = partitions_[header.partition];
    partition.next = std::max(partition.next.value_or(Offset{0}), header.last_offset() + 1);
    if (batch.size() < wire::batch_header_bytes) {
        return;
    }
    const ProducerBatch producer{.producer_id = load_be<std::int64_t>(batch.subspan(43)),
                                 .epoch = load_be<std::int16_t>(batch.subspan(51)),
                                 .base_sequence = load_be<std::int32_t>(batch.subspan(53)),
                                 .record_count = wire::sent_record_count(batch)};
    if (producer.producer_id >= 0) {
        producers_of(header.partition, partition)
            .add(producer,
                 {.base_offset = header.base_offset, .append_time_us = header.append_time_us});
    }
    events_.note_recovered(header, batch);
}

void BatchAcceptor::note_recovered_sequences(std::span<const std::byte> rows) {
    for (; rows.size() >= sequence_row_bytes; rows = rows.subspan(sequence_row_bytes)) {
        const PartitionId id{load_le<std::uint32_t>(rows)};
        producers_of(id, partitions_[id])
            .add({.producer_id = load_le<std::int64_t>(rows.subspan(8)),
                  .epoch = load_le<std::int16_t>(rows.subspan(36)),
                  .base_sequence = load_le<std::int32_t>(rows.subspan(32)),
                  .record_count = load_le<std::uint32_t>(rows.subspan(4))},
                 {.base_offset = Offset{load_le<std::uint64_t>(rows.subspan(16))},
                  .append_time_us = load_le<std::int64_t>(rows.subspan(24))});
    }
}

void BatchAcceptor::drop_proposal(std::uint64_t proposal) {
    events_.drop_proposal(proposal);
    for (auto& [id, partition] : partitions_) {
        if (partition.producers) {
            partition.producers->drop_proposal(proposal);
        }
    }
}

Result<void> BatchAcceptor::restore() {
    MILLRACE_TRY(const auto row, store_->get_state(time_key));
    written_time_us_ = 0;
    if (row && std::from_chars(row->data(), row->data() + row->size(), written_time_us_).ptr !=
                   row->data() + row->size()) {
        return fail(Errc::corrupt, "state: the last append time does not parse");
    }
    last_time_us_ = std::max({last_time_us_, store_->last_time_us(), written_time_us_});
    Result<void> outcome = ok();
    MILLRACE_TRY(
        store_->visit_state(key_prefix, "", [&](std::string_view key, std::string_view value) {
            const PartitionId id{
                static_cast<std::uint32_t>(std::stoul(std::string(key.substr(key_prefix.size()))))};
            outcome = producers_of(id, partitions_[id]).parse(value);
            return outcome.has_value();
        }));
    dirty_.clear();
    for (auto& [id, partition] : partitions_) {
        partition.is_dirty = false;
    }
    MILLRACE_TRY(outcome);
    return events_.restore(*store_);
}

bool BatchAcceptor::clean(PartitionId id) {
    const auto found = partitions_.find(id);
    if (found == partitions_.end()) {
        return true;
    }
    auto& partition = found->second;
    partition.is_dirty = partition.next.value_or(Offset{0}) > store_->bounds(id).next;
    return !partition.is_dirty;
}

void BatchAcceptor::write_state(const CatalogView& catalog, storage::StateWriter& state) {
    for (const auto id : dirty_) {
        const auto found = partitions_.find(id);
        if (found == partitions_.end() || !found->second.producers) {
            continue;
        }
        const auto next = store_->bounds(id).next;
        state.put(key_of(id), found->second.producers->format([&](const AcceptedBatch& batch) {
            return batch.base_offset < next && !queues_.sequences.is_under_way(batch.proposal);
        }));
    }
    // What is under way is left out of the rows and must be written again next time.
    if (queues_.sequences.pending_bytes() == 0) {
        std::erase_if(dirty_, [this](PartitionId id) { return clean(id); });
    }
    if (const auto applied_us = store_->last_time_us(); applied_us > written_time_us_) {
        written_time_us_ = applied_us;
        state.put(time_key, std::to_string(applied_us));
    }
    events_.write_state(catalog, std::max(last_time_us_, clock_.unix_now()), *store_, state);
}

void BatchAcceptor::forget(PartitionId partition) {
    partitions_.erase(partition);
    traffic_.forget(partition);
    store_->erase_state(key_of(partition));
    events_.forget(partition, *store_);
}

}  // namespace millrace::broker
