#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "client/src/subscription/subscription_impl.hpp"

// What partitions are called: a topic may be younger than the subscription that delivers it.

namespace millrace {
namespace {

constexpr std::chrono::milliseconds ask_again_delay{100};

std::shared_ptr<const void> keep_both(std::shared_ptr<const void> one,
                                      std::shared_ptr<const void> other) {
    return std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
        std::move(one), std::move(other));
}

}  // namespace

void Subscription::Impl::learn_names() {
    core_->send(wire::Api::metadata,
                wire::MetadataRequestT{},
                [self = shared_from_this()](const Result<const wire::FrameView*>& answer) {
                    self->take_names(answer);
                });
}

void Subscription::Impl::take_names(const Result<const wire::FrameView*>& answer) {
    const auto parsed = answer ? wire::parse_message<wire::MetadataAnswer>(answer.value()->table)
                               : Result<wire::MetadataAnswerT>(answer.error());
    const std::lock_guard lock(mutex_);
    if (!parsed || parsed.value().error) {
        learn_names_later();
        return;
    }
    is_learning_ = false;
    const auto names = std::make_shared<client::PartitionNames>(*names_);
    for (const auto& topic : parsed.value().topics) {
        client::add_names(client::from_wire(*topic), *names);
    }
    names_ = names;
    // Who is not named now is gone, and its records come without a name rather than not at all.
    for (auto& one : std::exchange(unnamed_, {})) {
        if (const auto found = names->find(one.partition_id); found != names->end()) {
            one.record.topic = found->second.topic;
            one.record.partition = found->second.index;
            one.record.memory = keep_both(std::move(one.record.memory), names);
        }
        arrived_.push_back(std::move(one));
    }
    changed_.notify_all();
}

/// Under the lock.
void Subscription::Impl::learn_names_later() {
    is_learning_ = !is_closed_ && !unnamed_.empty();
    if (!is_learning_) {
        return;
    }
    auto timer = std::make_shared<boost::asio::steady_timer>(core_->context(), ask_again_delay);
    timer->async_wait([self = shared_from_this(), timer](const auto&) { self->learn_names(); });
}

}  // namespace millrace
