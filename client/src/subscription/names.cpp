#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "client/src/subscription/subscription_impl.hpp"

// What partitions are called: a topic may be younger than the subscription that delivers it.

namespace millrace {
namespace {

constexpr std::chrono::milliseconds ask_again_delay{100};

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
    for (const auto& topic : parsed.value().topics) {
        client::add_names(client::from_wire(*topic), names_);
    }
    // Who is not named now is gone, and its records come without a name rather than not at all.
    for (auto& one : std::exchange(unnamed_, {})) {
        const auto& name = names_[one.partition_id];
        one.record.topic = name.topic;
        one.record.partition = name.index;
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
