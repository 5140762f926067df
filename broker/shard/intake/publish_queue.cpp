#include "broker/shard/intake/publish_queue.hpp"

#include <cstring>
#include <utility>

#include "client/wire/record_batch.hpp"

namespace millrace::broker {
namespace {

/// An entry stays well below a commit, so that several groups fit into one.
constexpr std::size_t entry_bytes_max = 1_MiB;

}  // namespace

void PublishCall::refuse(std::size_t index, const Error& error) {
    outcomes[index].code = error.code;
    if (text.empty()) {
        text = error.text;
    }
}

void PublishCall::end_one() {
    if (--outstanding == 0) {
        if (latency_us != nullptr) {
            const auto time = clock->steady_now() - begin;
            latency_us->observe(static_cast<std::uint64_t>(time.count()));
        }
        done(std::move(outcomes), std::move(text));
    }
}

std::span<std::byte> PublishQueue::extend(std::size_t bytes, Waiter waiter) {
    if (!entry_.is_empty() && entry_.size_bytes() + bytes > entry_bytes_max) {
        flush();
    }
    (void)join(number_, std::move(waiter));
    return entry_.extend(bytes);
}

void PublishQueue::add(const Batch& batch, Waiter waiter) {
    const auto run_bytes = batch.header.run_bytes();
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
        found = waiting_.emplace(proposal, std::make_shared<std::vector<Waiter>>()).first;
    }
    ++waiter.call->outstanding;
    found->second->push_back(std::move(waiter));
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
             [this, entry](const Result<RaftIndex>& result) { end(entry, result); });
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
    for (const auto& waiter : *node.mapped()) {
        if (!result) {
            waiter.call->refuse(waiter.index, result.error());
        }
        waiter.call->end_one();
    }
}

}  // namespace millrace::broker
