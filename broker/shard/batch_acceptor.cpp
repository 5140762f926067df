#include "broker/shard/batch_acceptor.hpp"

#include <algorithm>

#include "client/wire/record_batch.hpp"
#include "storage/base/endian.hpp"

namespace millrace::broker {
namespace {

constexpr std::string_view key_prefix = "p/";

std::string key_of(PartitionId partition) {
    return std::string(key_prefix) + std::to_string(partition.value);
}

}  // namespace

BatchAcceptor::BatchAcceptor(const ShardOptions& options,
                             const Clock& clock,
                             storage::ShardStore* const& store,
                             PublishQueue& queue,
                             MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      store_(store),
      queue_(queue),
      records_in_(metrics.counter(
          "millrace_shard_records_in_total", "Records accepted.", shard_label(options.id))),
      bytes_in_(metrics.counter(
          "millrace_shard_bytes_in_total", "Bytes of accepted batches.", shard_label(options.id))),
      refused_(metrics.counter("millrace_shard_publish_refused_total",
                               "Batches refused; the answer says why.",
                               shard_label(options.id))),
      duplicates_(metrics.counter("millrace_shard_duplicates_total",
                                  "Batches recognised as sent before.",
                                  shard_label(options.id))) {}

void BatchAcceptor::accept(const CatalogView& catalog,
                           std::span<const PublishBatch> batches,
                           PublishDone done) {
    auto call = std::make_shared<PublishCall>();
    call->outcomes.resize(batches.size());
    call->done = std::move(done);
    // Held back by one, so that no batch answers before all were looked at.
    ++call->outstanding;
    for (std::size_t i = 0; i < batches.size(); ++i) {
        call->outcomes[i].partition = batches[i].partition;
        if (const auto accepted = accept_one(catalog, batches[i], {.call = call, .index = i});
            !accepted) {
            refused_.add();
            call->refuse(i, accepted.error());
        }
    }
    call->end_one();
}

Result<void> BatchAcceptor::check_topic(const CatalogView& catalog,
                                        const PublishBatch& batch) const {
    const auto* const ref = catalog.find(batch.partition);
    if (ref == nullptr || ref->info().shard != options_.id) {
        return fail(Errc::unknown_partition,
                    "partition " + std::to_string(batch.partition.value) +
                        " does not exist: ask for metadata again");
    }
    const auto& topic = *ref->topic;
    if (topic.lifecycle == Lifecycle::retired) {
        const auto instead =
            topic.replaced_by.empty() ? std::string() : "; use " + topic.replaced_by;
        return fail(Errc::topic_retired, "topic " + topic.name + " is retired" + instead);
    }
    const std::size_t limit = topic.record_bytes_max != 0
                                  ? topic.record_bytes_max + wire::batch_header_bytes
                                  : options_.record_batch_bytes_max;
    if (batch.batch.size() > std::min(limit, options_.record_batch_bytes_max)) {
        return fail(
            Errc::record_too_large,
            "a batch of " + std::to_string(batch.batch.size()) + " bytes for " + topic.name +
                ", limit " +
                (topic.record_bytes_max != 0 ? "record_bytes_max" : "record_batch_bytes_max") +
                " is " + std::to_string(limit));
    }
    return ok();
}

ProducerTable& BatchAcceptor::producers_of(PartitionId id, Partition& partition) {
    dirty_.insert(id);
    if (!partition.producers) {
        partition.producers = std::make_unique<ProducerTable>(options_.producers_per_partition_max);
    }
    return *partition.producers;
}

Result<bool> BatchAcceptor::settle_repeat(Partition& partition,
                                          const ProducerBatch& batch,
                                          const PublishQueue::Waiter& waiter) {
    if (batch.producer_id < 0 || !partition.producers) {
        return false;
    }
    const auto judgement = partition.producers->judge(batch);
    switch (judgement.verdict) {
        case ProducerTable::Verdict::fresh:
            return false;
        case ProducerTable::Verdict::duplicate: {
            auto& outcome = waiter.call->outcomes[waiter.index];
            outcome.duplicate = true;
            outcome.base_offset = judgement.first.base_offset;
            outcome.append_time_us = judgement.first.append_time_us;
            duplicates_.add();
            (void)queue_.join(judgement.first.proposal,
                              waiter);  // waits with the first, or has it already
            return true;
        }
        default:
            return fail(Errc::sequence_out_of_order,
                        "producer " + std::to_string(batch.producer_id) + ": sequence " +
                            std::to_string(batch.base_sequence) + ", expected " +
                            std::to_string(judgement.expected_sequence));
    }
}

Result<void> BatchAcceptor::accept_one(const CatalogView& catalog,
                                       const PublishBatch& batch,
                                       PublishQueue::Waiter waiter) {
    if (store_->is_out_of_space()) {
        return fail(Errc::out_of_space,
                    "limit disk_reserve_bytes: too little space is left on the disk; publishes are "
                    "refused until there is more");
    }
    if (queue_.pending_bytes() > options_.publish_bytes_pending_max) {
        return fail(Errc::limit_reached,
                    "limit publish_bytes_pending_max: the disk does not keep up");
    }
    MILLRACE_TRY(check_topic(catalog, batch));
    MILLRACE_TRY(const auto summary, wire::validate_batch(batch.batch));
    auto& partition = partitions_[batch.partition];
    const ProducerBatch producer{.producer_id = summary.producer_id,
                                 .epoch = summary.producer_epoch,
                                 .base_sequence = summary.base_sequence,
                                 .record_count = summary.record_count};
    MILLRACE_TRY(const bool is_repeat, settle_repeat(partition, producer, waiter));
    if (is_repeat) {
        return ok();
    }
    if (!partition.next) {
        partition.next = store_->bounds(batch.partition).next;
    }
    last_time_us_ = std::max(last_time_us_, clock_.unix_now());
    const BatchHeader header{.partition = batch.partition,
                             .record_count = summary.record_count,
                             .base_offset = *partition.next,
                             .append_time_us = last_time_us_,
                             .batch_bytes = static_cast<std::uint32_t>(batch.batch.size())};
    *partition.next += summary.record_count;
    auto& outcome = waiter.call->outcomes[waiter.index];
    outcome.base_offset = header.base_offset;
    outcome.append_time_us = header.append_time_us;
    queue_.add(header, batch.batch, std::move(waiter));
    if (summary.producer_id >= 0) {
        producers_of(batch.partition, partition)
            .add(producer,
                 {.base_offset = header.base_offset,
                  .append_time_us = header.append_time_us,
                  .proposal = queue_.current_proposal()});
    }
    records_in_.add(summary.record_count);
    bytes_in_.add(batch.batch.size());
    return ok();
}

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
                                 .record_count = header.record_count};
    if (producer.producer_id >= 0) {
        producers_of(header.partition, partition)
            .add(producer,
                 {.base_offset = header.base_offset, .append_time_us = header.append_time_us});
    }
}

Result<void> BatchAcceptor::restore() {
    Result<void> outcome = ok();
    MILLRACE_TRY(
        store_->visit_state(key_prefix, "", [&](std::string_view key, std::string_view value) {
            const PartitionId id{
                static_cast<std::uint32_t>(std::stoul(std::string(key.substr(key_prefix.size()))))};
            auto& partition = partitions_[id];
            outcome = producers_of(id, partition).parse(value);
            return outcome.has_value();
        }));
    dirty_.clear();
    return outcome;
}

void BatchAcceptor::write_state(storage::StateWriter& state) {
    for (const auto id : dirty_) {
        const auto found = partitions_.find(id);
        if (found != partitions_.end() && found->second.producers) {
            state.put(key_of(id), found->second.producers->format(store_->bounds(id).next));
        }
    }
    // What is under way is left out of the rows and must be written again next time.
    std::erase_if(dirty_, [this](PartitionId id) {
        const auto found = partitions_.find(id);
        return found == partitions_.end() ||
               found->second.next.value_or(Offset{0}) <= store_->bounds(id).next;
    });
}

void BatchAcceptor::forget(PartitionId partition) {
    partitions_.erase(partition);
    dirty_.erase(partition);
    store_->erase_state(key_of(partition));
}

}  // namespace millrace::broker
