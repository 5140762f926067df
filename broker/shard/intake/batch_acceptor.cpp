#include "broker/shard/intake/batch_acceptor.hpp"

#include <algorithm>
#include <utility>

#include "client/wire/record_batch.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::broker {
namespace {

ProducerBatch producer_of(const wire::BatchSummary& summary) {
    return {.producer_id = summary.producer_id,
            .epoch = summary.producer_epoch,
            .base_sequence = summary.base_sequence,
            .record_count = summary.record_count};
}

/// Whether the records lie one behind the other, as those of a batch of their own would.
bool is_in_order(const std::vector<RepeatedRecord>& repeats) {
    const auto& first = repeats.front();
    return std::ranges::all_of(repeats, [&first](const RepeatedRecord& repeat) {
        return repeat.offset == first.offset + (repeat.number - first.number) &&
               repeat.append_time_us == first.append_time_us;
    });
}

}  // namespace

BatchAcceptor::BatchAcceptor(const ShardOptions& options,
                             const Clock& clock,
                             storage::ShardStore* const& store,
                             Queues queues,
                             MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      store_(store),
      queues_(queues),
      gate_(options, clock, queues.batches, metrics),
      events_(options, metrics),
      traffic_(metrics),
      records_in_(metrics.counter(
          "millrace_shard_records_in_total", "Records accepted.", shard_label(options.id))),
      bytes_in_(metrics.counter(
          "millrace_shard_bytes_in_total", "Bytes of accepted batches.", shard_label(options.id))),
      refused_(metrics.counter("millrace_shard_publish_refused_total",
                               "Batches refused; the answer says why.",
                               shard_label(options.id))),
      too_large_(metrics.counter("millrace_shard_publish_too_large_total",
                                 "Batches refused because they, or a record in them, are above a "
                                 "limit of bytes.",
                                 shard_label(options.id))),
      duplicates_(metrics.counter("millrace_shard_duplicates_total",
                                  "Batches recognised as sent before, by their sequence.",
                                  shard_label(options.id))),
      event_duplicates_(metrics.counter("millrace_shard_event_duplicates_total",
                                        "Records recognised as published before, by their id.",
                                        shard_label(options.id))) {
    const PublishQueue::LeaderAcks acks{
        .given = &metrics.counter("millrace_shard_leader_acks_total",
                                  "Batches of topics of durability leader that were acked before a "
                                  "majority had them.",
                                  shard_label(options.id)),
        .unconfirmed = &metrics.counter("millrace_shard_leader_acks_unconfirmed_total",
                                        "Of these, those of which this node did not learn whether "
                                        "a majority has them: it lost the lead, or its disk.",
                                        shard_label(options.id))};
    queues_.batches.count_leader_acks(acks);
    queues_.sequences.count_leader_acks(acks);
}

void BatchAcceptor::accept(const CatalogView& catalog,
                           std::span<const PublishBatch> batches,
                           PublishDone done) {
    auto call = std::make_shared<PublishCall>();
    call->outcomes.resize(batches.size());
    call->done = std::move(done);
    // Held back by one, so that no batch answers before all were looked at.
    ++call->outstanding;
    gate_.look_at_clock();
    for (std::size_t i = 0; i < batches.size(); ++i) {
        const PublishQueue::Waiter waiter{.call = call, .index = i};
        const auto criticality = criticality_of(catalog, batches[i]);
        call->outcomes[i].partition = batches[i].partition;
        gate_.measure(*call, criticality);
        const auto verdict = gate_.judge(batches[i], criticality);
        if (!verdict) {
            refuse(waiter, verdict.error());
        } else if (verdict.value() == PublishGate::Verdict::hold) {
            ++call->outstanding;
            gate_.hold(batches[i], criticality, waiter);
        } else {
            enter(catalog, batches[i], waiter);
        }
        call->outcomes[i].credit = gate_.credit(criticality);
    }
    call->end_one();
}

void BatchAcceptor::refuse(const PublishQueue::Waiter& waiter, const Error& error) {
    refused_.add();
    if (error.code == Errc::record_too_large) {
        too_large_.add();
    }
    waiter.call->refuse(waiter.index, error);
}

void BatchAcceptor::enter(const CatalogView& catalog,
                          const PublishBatch& batch,
                          const PublishQueue::Waiter& waiter) {
    const auto accepted = accept_one(catalog, batch, waiter);
    if (accepted) {
        return;
    }
    const bool is_final = accepted.error().code == Errc::sequence_out_of_order &&
                          waiter.call->outcomes[waiter.index].durability == Durability::leader;
    if (is_final && confirm_) {
        refuse_once_confirmed(waiter, accepted.error());
    } else {
        refuse(waiter, accepted.error());
    }
}

/// Where acks stand for the leader alone, a producer takes a gap for what was lost and sends the
/// batch with another sequence: by then no other node may lead that has it already.
void BatchAcceptor::refuse_once_confirmed(const PublishQueue::Waiter& waiter, const Error& error) {
    ++waiter.call->outstanding;
    confirm_([this, waiter, error](const Result<void>& confirmed) {
        refuse(waiter, confirmed ? error : confirmed.error());
        waiter.call->end_one();
    });
}

void BatchAcceptor::admit_held(const CatalogView& catalog) {
    gate_.look_at_clock();
    while (const auto held = gate_.take()) {
        enter(catalog,
              {.partition = held->partition,
               .batch = held->bytes,
               .is_background = held->is_background},
              held->waiter);
        held->waiter.call->end_one();
    }
}

void BatchAcceptor::refuse_held(const Error& error) {
    while (const auto held = gate_.take_any()) {
        refuse(held->waiter, error);
        held->waiter.call->end_one();
    }
}

Result<const TopicInfo*> BatchAcceptor::check_topic(const CatalogView& catalog,
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
    MILLRACE_TRY(check_batch_size(topic, batch.batch.size(), options_.record_batch_bytes_max));
    return &topic;
}

ProducerTable& BatchAcceptor::producers_of(PartitionId id, Partition& partition) {
    if (!std::exchange(partition.is_dirty, true)) {
        dirty_.push_back(id);
    }
    if (!partition.producers) {
        partition.producers.emplace(options_.producers_per_partition_max);
    }
    return *partition.producers;
}

void BatchAcceptor::wait_for(std::uint64_t proposal, const PublishQueue::Waiter& waiter) {
    // Nothing waits for what is applied already.
    if (!queues_.batches.join(proposal, waiter)) {
        (void)queues_.sequences.join(proposal, waiter);
    }
}

Result<bool> BatchAcceptor::settle_resent(const Candidate& candidate) {
    if (candidate.producer.producer_id < 0 || !candidate.partition.producers) {
        return false;
    }
    const auto judgement = candidate.partition.producers->judge(candidate.producer);
    switch (judgement.verdict) {
        case ProducerTable::Verdict::fresh:
            return false;
        case ProducerTable::Verdict::duplicate: {
            auto& outcome = candidate.outcome();
            outcome.duplicate = true;
            outcome.base_offset = judgement.first.base_offset;
            outcome.append_time_us = judgement.first.append_time_us;
            outcome.repeats = events_.places_of_resent(
                candidate.id, candidate.checked, judgement.first.base_offset);
            count_resent(candidate);
            wait_for(judgement.first.proposal, candidate.waiter);
            return true;
        }
        case ProducerTable::Verdict::gap:
        case ProducerTable::Verdict::too_old:
            break;
    }
    // A producer may begin an epoch behind a gap, but not behind what may be in the log already.
    const bool is_gap = judgement.verdict == ProducerTable::Verdict::gap;
    return fail(is_gap ? Errc::sequence_out_of_order : Errc::sequence_too_old,
                "producer " + std::to_string(candidate.producer.producer_id) + ": sequence " +
                    std::to_string(candidate.producer.base_sequence) + ", expected " +
                    std::to_string(judgement.expected_sequence));
}

/// Nothing of the batch goes to the log, so the log must be told that the producer counts on.
void BatchAcceptor::note_sequence(const Candidate& candidate) {
    const auto& outcome = candidate.outcome();
    const auto out = queues_.sequences.extend(sequence_row_bytes, candidate.waiter);
    store_le(out, candidate.id.value);
    store_le(out.subspan(4), candidate.producer.record_count);
    store_le(out.subspan(8), candidate.producer.producer_id);
    store_le(out.subspan(16), outcome.base_offset.value);
    store_le(out.subspan(24), outcome.append_time_us);
    store_le(out.subspan(32), candidate.producer.base_sequence);
    store_le(out.subspan(36), candidate.producer.epoch);
    store_le(out.subspan(38), std::uint16_t{0});
    producers_of(candidate.id, candidate.partition)
        .add(candidate.producer,
             {.base_offset = outcome.base_offset,
              .append_time_us = outcome.append_time_us,
              .proposal = queues_.sequences.current_proposal()});
}

void BatchAcceptor::settle_repeated(const Candidate& candidate, EventFilter::Judged judged) {
    count_repeated(candidate, judged.repeats.size());
    auto& outcome = candidate.outcome();
    outcome.duplicate = true;
    outcome.base_offset = judged.repeats.front().offset;
    outcome.append_time_us = judged.repeats.front().append_time_us;
    if (!is_in_order(judged.repeats)) {
        outcome.repeats = std::move(judged.repeats);
    }
    for (const auto proposal : judged.proposals) {
        wait_for(proposal, candidate.waiter);
    }
    if (candidate.producer.producer_id >= 0) {
        note_sequence(candidate);
    }
}

Result<void> BatchAcceptor::append(const Candidate& candidate, EventFilter::Judged judged) {
    std::vector<std::byte> rebuilt;
    auto bytes = candidate.bytes;
    if (!judged.repeats.empty()) {
        const auto bytes_max = options_.record_batch_bytes_max;
        MILLRACE_TRY(rebuilt, batch_without(candidate.bytes, judged.repeats, bytes_max));
        bytes = rebuilt;
    }
    const auto sent = candidate.producer.record_count;
    const BatchHeader header{
        .partition = candidate.id,
        .record_count = sent - static_cast<std::uint32_t>(judged.repeats.size()),
        .base_offset = candidate.moment.next,
        .append_time_us = candidate.moment.now_us,
        .batch_bytes = static_cast<std::uint32_t>(bytes.size())};
    candidate.partition.next = header.base_offset + header.record_count;
    queues_.batches.add(
        {.header = header,
         .bytes = bytes,
         .sent_record_count = sent,
         .criticality = candidate.criticality,
         .latency_us = traffic_.count_in(candidate.catalog,
                                         candidate.id,
                                         candidate.partition.traffic,
                                         {.records = header.record_count, .bytes = bytes.size()})},
        candidate.waiter);
    const auto proposal = queues_.batches.current_proposal();
    if (candidate.producer.producer_id >= 0) {
        producers_of(candidate.id, candidate.partition)
            .add(candidate.producer,
                 {.base_offset = header.base_offset,
                  .append_time_us = header.append_time_us,
                  .proposal = proposal});
    }
    events_.remember(candidate.id, judged, candidate.moment, proposal);
    for (const auto first : judged.proposals) {
        wait_for(first, candidate.waiter);
    }
    auto& outcome = candidate.outcome();
    outcome.base_offset = header.base_offset;
    outcome.append_time_us = header.append_time_us;
    count_repeated(candidate, judged.repeats.size());
    outcome.repeats = std::move(judged.repeats);
    records_in_.add(header.record_count);
    bytes_in_.add(bytes.size());
    return ok();
}

Result<void> BatchAcceptor::accept_one(const CatalogView& catalog,
                                       const PublishBatch& batch,
                                       PublishQueue::Waiter waiter) {
    if (store_->is_out_of_space()) {
        return fail(Errc::out_of_space,
                    "limit disk_reserve_bytes: too little space is left on the disk; publishes are "
                    "refused until there is more");
    }
    MILLRACE_TRY(const auto* const topic, check_topic(catalog, batch));
    waiter.wait_as(*topic);
    const auto window_us = duplicate_window_us(*topic);
    MILLRACE_TRY(auto checked,
                 check_batch(batch.batch,
                             window_us == 0 ? EventIdSearch::skip : EventIdSearch::look,
                             record_limits_of(*topic)));
    auto& partition = partitions_[batch.partition];
    if (!partition.next) {
        partition.next = store_->bounds(batch.partition).next;
    }
    last_time_us_ = std::max(last_time_us_, clock_.unix_now());
    const auto producer = producer_of(checked.summary);
    const Candidate candidate{
        .catalog = catalog,
        .id = batch.partition,
        .criticality = criticality_of(*topic, batch),
        .partition = partition,
        .bytes = batch.batch,
        .checked = std::move(checked),
        .producer = producer,
        .moment = {.next = *partition.next, .now_us = last_time_us_, .window_us = window_us},
        .waiter = std::move(waiter)};
    MILLRACE_TRY(const bool is_resent, settle_resent(candidate));
    if (is_resent) {
        return ok();
    }
    auto judged = candidate.checked.ids.empty()
                      ? EventFilter::Judged{}
                      : events_.judge(candidate.id, candidate.checked, candidate.moment);
    if (judged.repeats.size() == producer.record_count) {
        settle_repeated(candidate, std::move(judged));
        return ok();
    }
    return append(candidate, std::move(judged));
}

}  // namespace millrace::broker
