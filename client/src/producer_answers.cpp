#include <algorithm>

#include "client/src/producer_impl.hpp"

// What answers mean: what is durable, what goes out again, what has failed.

namespace millrace {
namespace {

constexpr std::chrono::milliseconds publish_retry_delay{20};

/// Why a request as a whole was of no use.
std::string refusal_of(const Result<const wire::FrameView*>& answer,
                       const Result<wire::PublishAnswerT>& parsed) {
    if (!answer) {
        return answer.error().text;
    }
    return parsed && parsed.value().error ? parsed.value().error->text : "an answer of no sense";
}

std::vector<wire::PublishRepeat> repeats_of(const wire::PublishAnswerT& answer, std::size_t entry) {
    // They come by entry; what comes otherwise finds nobody.
    const auto entry_of = [](const auto& repeat) { return std::size_t{repeat.entry()}; };
    return {std::ranges::lower_bound(answer.repeats, entry, {}, entry_of),
            std::ranges::upper_bound(answer.repeats, entry, {}, entry_of)};
}

Durability durability_of(const wire::PublishAnswerT& answer, std::size_t entry) {
    return entry < answer.durabilities.size() ? static_cast<Durability>(answer.durabilities[entry])
                                              : Durability::majority;
}

}  // namespace

void Producer::Impl::answered(const Batches& batches,
                              const Result<const wire::FrameView*>& answer) {
    core_->end_publish();
    std::vector<Ending> endings;
    bool must_refresh = false;
    bool must_wait = false;
    {
        const std::lock_guard lock(mutex_);
        --requests_in_flight_;
        Result<wire::PublishAnswerT> parsed = fail(Errc::connection_lost, "");
        if (answer) {
            parsed = wire::parse_message<wire::PublishAnswer>(answer.value()->table);
        }
        if (parsed && parsed.value().credit != 0) {
            credit_ = parsed.value().credit;
        }
        if (!answer || !parsed || parsed.value().error ||
            parsed.value().acks.size() != batches.size()) {
            last_refusal_ = refusal_of(answer, parsed);
            retry_all(batches, endings);
            must_wait = true;
        } else {
            const auto retries = statistics_.retries;
            judge(batches, parsed.value(), endings, must_refresh);
            must_wait = statistics_.retries != retries;
        }
        for (const auto& batch : batches) {
            begin_epoch_if_due(partitions_[batch->partition]);
        }
    }
    end(endings);
    if (must_refresh) {
        refresh();
    } else if (must_wait) {
        retry_later();
    } else {
        drain();
    }
}

void Producer::Impl::land(Batch& batch) {
    if (std::exchange(batch.is_in_flight, false)) {
        gathered_bytes_ += batch.payload_bytes;
    }
    if (!std::exchange(partitions_[batch.partition].is_listed, true)) {
        dirty_.push_back(batch.partition);
    }
}

void Producer::Impl::retry_all(const Batches& batches, std::vector<Ending>& endings) {
    for (const auto& batch : batches) {
        auto& partition = partitions_[batch->partition];
        if (std::ranges::find(partition.unacked, batch) == partition.unacked.end()) {
            continue;  // failed with its partition meanwhile
        }
        ++statistics_.retries;
        land(*batch);
        fail_late(partition, endings);
    }
}

/// A gap may be an elder that was acked meanwhile, by an answer that came before this one.
bool Producer::Impl::should_retry(const Batch& batch, Errc code) {
    const bool is_waiting_for_elder = code == Errc::sequence_out_of_order && batch.had_elder;
    return is_retryable(code) || is_waiting_for_elder || code == Errc::unknown_partition;
}

void Producer::Impl::judge(const Batches& batches,
                           const wire::PublishAnswerT& answer,
                           std::vector<Ending>& endings,
                           bool& must_refresh) {
    for (std::size_t i = 0; i < batches.size(); ++i) {
        const auto& batch = batches[i];
        const auto& ack = answer.acks[i];
        const auto code = static_cast<Errc>(ack.code());
        auto& partition = partitions_[batch->partition];
        const auto place = std::ranges::find(partition.unacked, batch);
        if (place == partition.unacked.end()) {
            continue;  // failed with its partition meanwhile
        }
        if (code == Errc::ok) {
            const auto durability = durability_of(answer, i);
            partition.unacked.erase(place);
            partition.is_confirmed = true;
            // One log has them all: what a majority has, it has with everything before it.
            partition.is_at_risk = durability != Durability::majority;
            endings.push_back({.batch = batch,
                               .first = {.partition = static_cast<std::uint32_t>(batch->partition),
                                         .offset = ack.base_offset(),
                                         .append_time_us = ack.append_time_us(),
                                         .duplicate = ack.duplicate(),
                                         .durability = durability},
                               .repeats = repeats_of(answer, i),
                               .error = nullptr});
        } else if (code == Errc::sequence_out_of_order && batch->is_behind_gap) {
            batch->may_be_there = false;
            land(*batch);
        } else if (code == Errc::sequence_out_of_order && partition.is_at_risk &&
                   !batch->had_elder) {
            leave_gap(partition);
        } else if (should_retry(*batch, code)) {
            must_refresh |= code == Errc::unknown_partition;
            last_refusal_ = answer.text;
            retry_all({batch}, endings);
        } else {
            fail_batch(partition, place, fail(code, answer.text), endings);
        }
    }
}

void Producer::Impl::fail_batch(Partition& partition,
                                const Place& place,
                                const Error& error,
                                std::vector<Ending>& endings) {
    const auto batch = *place;
    land(*batch);
    gathered_bytes_ -= std::min(batch->payload_bytes, gathered_bytes_);
    for (auto behind = partition.unacked.erase(place); behind != partition.unacked.end();
         ++behind) {
        (*behind)->is_behind_gap = true;
    }
    partition.has_gap = true;
    endings.push_back(
        {.batch = batch, .first = {}, .repeats = {}, .error = client::to_exception(error)});
}

void Producer::Impl::leave_gap(Partition& partition) {
    for (const auto& batch : partition.unacked) {
        batch->is_behind_gap = true;
    }
    auto& oldest = *partition.unacked.front();
    oldest.may_be_there = false;
    land(oldest);
    partition.has_gap = true;
    partition.is_at_risk = false;
}

/// What is on its way gets an answer of its own.
void Producer::Impl::fail_late(Partition& partition, std::vector<Ending>& endings) {
    const auto is_late = [now = Clock::now()](const std::shared_ptr<Batch>& batch) {
        return !batch->is_in_flight && now > batch->deadline;
    };
    for (auto late = std::ranges::find_if(partition.unacked, is_late);
         late != partition.unacked.end();
         late = std::ranges::find_if(partition.unacked, is_late)) {
        fail_batch(partition,
                   late,
                   fail(Errc::timed_out,
                        "not acknowledged within the delivery timeout" +
                            (last_refusal_.empty() ? "" : "; last: " + last_refusal_)),
                   endings);
    }
}

/// The topic is gone.
void Producer::Impl::fail_partition(Partition& partition,
                                    const Error& error,
                                    std::vector<Ending>& endings) {
    while (!partition.unacked.empty()) {
        fail_batch(partition, partition.unacked.begin(), error, endings);
    }
    begin_epoch_if_due(partition);
}

/// The broker forgets an epoch when it sees the next one: nobody may be left who needs the old.
void Producer::Impl::begin_epoch_if_due(Partition& partition) {
    const bool is_needed = std::ranges::any_of(partition.unacked, [](const auto& batch) {
        return !batch->is_behind_gap || batch->may_be_there;
    });
    if (!partition.has_gap || is_needed) {
        return;
    }
    partition.has_gap = false;
    partition.is_confirmed = false;
    ++partition.epoch;
    partition.next_sequence = 0;
    for (const auto& batch : partition.unacked) {
        batch->is_behind_gap = false;
        batch->number = partition.next_number++;
        wire::set_producer(batch->bytes,
                           {.id = producer_id_,
                            .epoch = partition.epoch,
                            .base_sequence = partition.next_sequence});
        partition.next_sequence = wire::advance_sequence(
            partition.next_sequence, static_cast<std::uint32_t>(batch->callbacks.size()));
    }
}

std::size_t Producer::Impl::tell(const Ending& ending) {
    auto in_order = ending.first;
    auto repeat = ending.repeats.begin();
    std::size_t duplicates = 0;
    for (std::size_t number = 0; number < ending.batch->callbacks.size(); ++number) {
        auto place = in_order;
        if (repeat != ending.repeats.end() && repeat->record() == number) {
            place.offset = repeat->offset();
            place.append_time_us = repeat->append_time_us();
            place.duplicate = true;
            ++repeat;
        } else {
            ++in_order.offset;
        }
        duplicates += place.duplicate ? 1 : 0;
        ending.batch->callbacks[number](place, ending.error);
    }
    return duplicates;
}

void Producer::Impl::end(const std::vector<Ending>& endings) {
    std::size_t duplicates = 0;
    for (const auto& ending : endings) {
        duplicates += tell(ending);
    }
    const std::lock_guard lock(mutex_);
    statistics_.duplicates += duplicates;
    for (const auto& ending : endings) {
        const auto count = ending.batch->callbacks.size();
        outstanding_ -= count;
        outstanding_bytes_ -= ending.batch->payload_bytes;
        statistics_.acked += ending.error ? 0 : count;
        statistics_.failed += ending.error ? count : 0;
        first_failure_ = first_failure_ ? first_failure_ : ending.error;
    }
    if (!endings.empty()) {
        settled_.notify_all();
    }
}

void Producer::Impl::retry_later() {
    retry_timer_.expires_after(publish_retry_delay);
    retry_timer_.async_wait([self = shared_from_this()](const auto& error) {
        if (!error) {
            self->drain();
        }
    });
}

void Producer::Impl::take_metadata(const wire::MetadataAnswerT& answer,
                                   std::vector<Ending>& endings) {
    const std::size_t count =
        answer.topics.size() == 1 ? answer.topics.front()->partitions.size() : 0;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        if (i < count) {
            partitions_[i].id = answer.topics.front()->partitions[i]->partition_id;
            continue;
        }
        fail_partition(
            partitions_[i],
            fail(Errc::unknown_topic, "topic \"" + topic_ + "\" does not exist any more"),
            endings);
    }
}

void Producer::Impl::refresh() {
    wire::MetadataRequestT request;
    request.topics.push_back(topic_);
    core_->send(wire::Api::metadata,
                std::move(request),
                [self = shared_from_this()](const Result<const wire::FrameView*>& answer) {
                    auto parsed =
                        answer ? wire::parse_message<wire::MetadataAnswer>(answer.value()->table)
                               : Result<wire::MetadataAnswerT>(answer.error());
                    std::vector<Ending> endings;
                    if (parsed) {
                        const std::lock_guard lock(self->mutex_);
                        self->take_metadata(parsed.value(), endings);
                    }
                    self->end(endings);
                    self->retry_later();
                });
}

}  // namespace millrace
