#include <algorithm>
#include <utility>

#include "client/src/subscription/subscription_impl.hpp"

// How settlements are gathered, when they go out, and what their answers mean.

namespace millrace {
namespace {

using wire::Api;

constexpr std::size_t settlements_per_request = 512;

}  // namespace

wire::SettleRequestT& Subscription::Impl::message_for(const Arrived& delivery) {
    auto& gathered = gathered_[{delivery.session, delivery.shard}];
    ++gathered.count;
    // What comes while a request is out goes with its answer, unless it is much.
    if (unanswered_ == 0 || gathered.count >= settlements_per_request) {
        send_soon();
    }
    return gathered.message;
}

void Subscription::Impl::ack(const Arrived& delivery) {
    const std::lock_guard lock(mutex_);
    message_for(delivery).acks.push_back(delivery.delivery);
}

void Subscription::Impl::nack(const Arrived& delivery, NackOptions options) {
    auto nack = std::make_unique<wire::NackT>();
    nack->delivery_id = delivery.delivery;
    nack->cause = static_cast<wire::Cause>(options.cause);
    if (options.delay) {
        nack->delay_ms = static_cast<std::uint32_t>(options.delay->count());
    }
    nack->error = std::move(options.error);
    nack->response = std::move(options.response);
    const std::lock_guard lock(mutex_);
    message_for(delivery).nacks.push_back(std::move(nack));
}

void Subscription::Impl::extend(const Arrived& delivery, std::chrono::milliseconds by) {
    const std::lock_guard lock(mutex_);
    auto& message = message_for(delivery);
    message.extends.push_back(delivery.delivery);
    message.extend_ms = std::max(message.extend_ms, static_cast<std::uint32_t>(by.count()));
    send_soon();  // a deadline waits for nobody's answer
}

void Subscription::Impl::send_soon() {
    if (std::exchange(is_sending_soon_, true)) {
        return;
    }
    core_->post([self = shared_from_this()] {
        {
            const std::lock_guard lock(self->mutex_);
            self->is_sending_soon_ = false;
        }
        self->send_settlements();
    });
}

void Subscription::Impl::send_settlements() {
    std::map<Target, Gathered> gathered;
    std::unique_lock lock(mutex_);
    for (auto& [target, one] : std::exchange(gathered_, {})) {
        if (target.first != session_) {
            stale_ += one.count;  // the broker has handed them back already
            continue;
        }
        ++unanswered_;
        gathered.emplace(target, std::move(one));
    }
    lock.unlock();
    for (auto& [target, one] : gathered) {
        one.message.session_id = target.first;
        one.message.shard = target.second;
        core_->send(Api::subscription_settle,
                    std::move(one.message),
                    [self = shared_from_this(), session = target.first, count = one.count](
                        const auto& answer) { self->end_settlement(answer, session, count); });
    }
}

void Subscription::Impl::end_settlement(const Result<const wire::FrameView*>& answer,
                                        std::uint64_t session,
                                        std::size_t count) {
    const auto parsed = answer ? wire::parse_message<wire::SettleAnswer>(answer.value()->table)
                               : Result<wire::SettleAnswerT>(answer.error());
    const bool is_lost = !parsed || parsed.value().error;
    bool is_refused = false;
    {
        const std::lock_guard lock(mutex_);
        --unanswered_;
        // Without an answer the records count as not settled: they come, or came, again.
        stale_ += is_lost ? count : parsed.value().stale.size();
        is_refused = is_lost && session == session_;
        if (unanswered_ == 0 && !gathered_.empty()) {
            send_soon();
        }
        changed_.notify_all();
    }
    if (is_refused) {
        open();
    }
}

std::size_t Subscription::Impl::flush() {
    send_settlements();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return unanswered_ == 0; });
    return std::exchange(stale_, 0);
}

}  // namespace millrace
