#include "broker/shard/publish_queue.hpp"

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
        done(std::move(outcomes), std::move(text));
    }
}

void PublishQueue::add(const BatchHeader& header, std::span<const std::byte> batch, Waiter waiter) {
    if (!entry_.is_empty() && entry_.size_bytes() + header.run_bytes() > entry_bytes_max) {
        flush();
    }
    const auto out = entry_.extend(header.run_bytes());
    store_batch_header(out, header);
    const auto copy = out.subspan(BatchHeader::bytes);
    std::memcpy(copy.data(), batch.data(), batch.size());
    std::memset(copy.data() + batch.size(), 0, copy.size() - batch.size());
    wire::set_base_offset(copy, header.base_offset);
    ++batch_count_;
    (void)join(number_, std::move(waiter));
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
    const auto number = number_++;
    const auto bytes = entry_.size_bytes();
    pending_bytes_ += bytes;
    propose_(
        std::exchange(batch_count_, 0),
        std::exchange(entry_, {}),
        [this, number, bytes](const Result<RaftIndex>& result) { end(number, bytes, result); });
}

void PublishQueue::end(std::uint64_t number, std::size_t bytes, const Result<RaftIndex>& result) {
    pending_bytes_ -= bytes;
    const auto node = waiting_.extract(number);
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
