#include "broker/shard/intake/publish_queue.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "client/wire/record_batch.hpp"

namespace millrace::broker {
namespace {

/// An entry stays well below a commit, so that several groups fit into one.
constexpr std::size_t gathered_bytes_max = 1_MiB;

std::uint64_t micros_between(SteadyTime begin, SteadyTime end) {
    return static_cast<std::uint64_t>((end - begin).count());
}

/// All of one entry, by one look at the clock.
void answer(const std::vector<PublishQueue::Waiter>& waiters) {
    const auto* const clock = waiters.empty() ? nullptr : waiters.front().call->clock;
    const auto now = clock == nullptr ? SteadyTime{} : clock->steady_now();
    for (const auto& waiter : waiters) {
        const bool is_acked = waiter.call->outcomes[waiter.index].code == Errc::ok;
        if (waiter.latency_us != nullptr && is_acked) {
            waiter.latency_us->observe(micros_between(waiter.call->begin, now));
        }
        waiter.call->end_one(now);
    }
}

}  // namespace

void PublishCall::refuse(std::size_t index, const Error& error) {
    outcomes[index].code = error.code;
    if (text.empty()) {
        text = error.text;
    }
}

void PublishCall::end_one() {
    end_one(clock == nullptr || outstanding > 1 ? begin : clock->steady_now());
}

void PublishCall::end_one(SteadyTime now) {
    if (--outstanding == 0) {
        if (latency_us != nullptr) {
            latency_us->observe(micros_between(begin, now));
        }
        done(std::move(outcomes), std::move(text));
    }
}

std::span<std::byte> PublishQueue::extend(std::size_t bytes, Waiter waiter) {
    if (!entry_.is_empty() && entry_.size_bytes() + bytes > gathered_bytes_max) {
        flush();
    }
    (void)join(number_, std::move(waiter));
    return entry_.extend(bytes);
}

void PublishQueue::add(const Batch& batch, Waiter waiter) {
    const auto run_bytes = batch.header.run_bytes();
    waiter.latency_us = batch.latency_us;
    const auto out = extend(run_bytes, std::move(waiter));
    store_batch_header(out, batch.header);
    const auto copy = out.subspan(BatchHeader::bytes);
    std::memcpy(copy.data(), batch.bytes.data(), batch.bytes.size());
    std::memset(copy.data() + batch.bytes.size(), 0, copy.size() - batch.bytes.size());
    wire::set_base_offset(copy, batch.header.base_offset);
    wire::set_sent_record_count(copy.first(batch.bytes.size()), batch.sent_record_count);
    const auto place = static_cast<std::size_t>(batch.criticality);
    class_bytes_[place] += run_bytes;
    gathered_class_bytes_[place] += run_bytes;
    ++batch_count_;
}

bool PublishQueue::join(std::uint64_t proposal, Waiter waiter) {
    auto found = waiting_.find(proposal);
    if (found == waiting_.end()) {
        if (proposal != number_) {
            return false;
        }
        found = waiting_.try_emplace(proposal).first;
    }
    auto& waiting = found->second;
    const bool is_for_leader = waiter.durability == Durability::leader;
    if (is_for_leader && waiting.is_stored) {
        note_leader_acks(waiting, 1);
        return true;
    }
    waiting.for_leader += is_for_leader ? 1 : 0;
    ++waiter.call->outstanding;
    waiting.waiters.push_back(std::move(waiter));
    return true;
}

void PublishQueue::flush() {
    if (entry_.is_empty()) {
        return;
    }
    const Entry entry{.number = number_++,
                      .bytes = entry_.size_bytes(),
                      .class_bytes = std::exchange(gathered_class_bytes_, {})};
    pending_bytes_ += entry.bytes;
    propose_(std::exchange(batch_count_, 0),
             std::exchange(entry_, {}),
             {.done = [this, entry](const Result<RaftIndex>& result) { end(entry, result); },
              .stored = [this, number = entry.number] { store(number); }});
}

/// The others go on waiting for the commit.
void PublishQueue::store(std::uint64_t number) {
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) {
        return;
    }
    auto& waiting = found->second;
    waiting.is_stored = true;
    if (waiting.for_leader == 0) {
        return;
    }
    note_leader_acks(waiting, std::exchange(waiting.for_leader, 0));
    const auto first = std::stable_partition(
        waiting.waiters.begin(), waiting.waiters.end(), [](const Waiter& waiter) {
            return waiter.durability != Durability::leader;
        });
    const std::vector<Waiter> answered(std::make_move_iterator(first),
                                       std::make_move_iterator(waiting.waiters.end()));
    waiting.waiters.erase(first, waiting.waiters.end());
    answer(answered);
}

void PublishQueue::note_leader_acks(Waiting& waiting, std::size_t count) const {
    waiting.acked += count;
    if (leader_acks_.given != nullptr) {
        leader_acks_.given->add(count);
    }
}

void PublishQueue::end(const Entry& entry, const Result<RaftIndex>& result) {
    pending_bytes_ -= entry.bytes;
    for (std::size_t i = 0; i < class_bytes_.size(); ++i) {
        class_bytes_[i] -= entry.class_bytes[i];
    }
    if (!result && lost_) {
        lost_(entry.number);
    }
    const auto node = waiting_.extract(entry.number);
    if (node.empty()) {
        return;
    }
    const auto& waiting = node.mapped();
    if (!result && leader_acks_.unconfirmed != nullptr) {
        leader_acks_.unconfirmed->add(waiting.acked);
    }
    for (const auto& waiter : waiting.waiters) {
        if (!result) {
            waiter.call->refuse(waiter.index, result.error());
        }
    }
    answer(waiting.waiters);
}

}  // namespace millrace::broker
