#include "millrace/subscription.hpp"

#include <map>
#include <utility>

#include "client/src/subscription_impl.hpp"
#include "client/wire/record.hpp"

namespace millrace {
namespace {

using wire::Api;

constexpr std::chrono::milliseconds reopen_delay{100};
constexpr std::size_t settlements_per_request = 512;

/// By number of the entry: where what was replayed came from.
std::map<std::uint32_t, const wire::DeliveryOrigin*> origins_of(const wire::Deliveries& table) {
    std::map<std::uint32_t, const wire::DeliveryOrigin*> origins;
    if (table.origins() != nullptr) {
        for (const auto* const origin : *table.origins()) {
            origins[origin->entry()] = origin;
        }
    }
    return origins;
}

void set_origin(Record& record, const wire::DeliveryOrigin& origin) {
    record.topic = origin.topic() == nullptr ? "" : origin.topic()->str();
    record.partition = origin.partition();
    record.offset = origin.offset();
}

}  // namespace

Subscription::Impl::Impl(std::shared_ptr<client::Core> core,
                         std::string name,
                         SubscribeOptions options)
    : core_(std::move(core)), name_(std::move(name)), options_(std::move(options)) {}

void Subscription::Impl::start() {
    for (const auto& topic : core_->topics({})) {
        for (const auto& partition : topic.partitions) {
            names_[partition.partition_id] = {.topic = topic.name, .index = partition.index};
        }
    }
    core_->post([self = shared_from_this()] { self->open(); });
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, core_->options().connect_timeout + reopen_delay, [this] {
        return session_ != 0 || failure_;
    });
    if (failure_) {
        client::throw_error(*failure_);
    }
}

void Subscription::Impl::open() {
    {
        const std::lock_guard lock(mutex_);
        if (is_closed_ || std::exchange(is_opening_, true)) {
            return;
        }
    }
    wire::SubscriptionOpenRequestT request;
    request.name = name_;
    request.consumer = options_.consumer;
    request.credit = 0;  // deliveries must not overtake the answer, which says whose they are
    core_->send(Api::subscription_open,
                std::move(request),
                [self = shared_from_this()](const Result<const wire::FrameView*>& answer) {
                    self->opened(answer);
                });
}

void Subscription::Impl::opened(const Result<const wire::FrameView*>& answer) {
    auto parsed = answer ? wire::parse_message<wire::SubscriptionOpenAnswer>(answer.value()->table)
                         : Result<wire::SubscriptionOpenAnswerT>(answer.error());
    const std::lock_guard lock(mutex_);
    is_opening_ = false;
    if (is_closed_) {
        return;
    }
    const auto on_frame = [weak = weak_from_this()](const wire::FrameView& frame) {
        if (const auto self = weak.lock()) {
            self->on_push(frame);
        }
    };
    const bool is_refused = parsed && parsed.value().error && !parsed.value().error->retryable;
    if (is_refused) {
        failure_ = client::from_wire(*parsed.value().error);
    } else if (!parsed || parsed.value().error) {
        auto timer = std::make_shared<boost::asio::steady_timer>(core_->context(), reopen_delay);
        timer->async_wait([self = shared_from_this(), timer](const auto&) { self->open(); });
        return;
    } else {
        core_->drop_session_handler(session_);
        session_ = parsed.value().session_id;
        core_->set_session_handler(session_, on_frame);
        wire::SubscriptionCreditRequestT credit;
        credit.session_id = session_;
        credit.credit = options_.credit;
        core_->send(Api::subscription_credit, std::move(credit), [](const auto&) {});
    }
    changed_.notify_all();
}

void Subscription::Impl::on_push(const wire::FrameView& frame) {
    const auto table = wire::verify_table<wire::Deliveries>(frame.table);
    if (!table) {
        return;
    }
    const auto* const entries = table.value()->entries();
    if (entries == nullptr || entries->size() == 0) {
        open();  // the broker ended the session
        return;
    }
    auto raw = frame.raw;
    const auto origins = origins_of(*table.value());
    const std::lock_guard lock(mutex_);
    for (std::uint32_t number = 0; number < entries->size(); ++number) {
        const auto* const entry = entries->Get(number);
        const auto bytes = raw.first(std::min<std::size_t>(entry->record_bytes(), raw.size()));
        raw = raw.subspan(bytes.size());
        const auto view = wire::parse_plain_record(bytes);
        if (!view) {
            continue;
        }
        Arrived one{.record = client::to_record(view.value(), names_[entry->partition_id()]),
                    .attempt = entry->attempt(),
                    .shard = table.value()->shard(),
                    .session = table.value()->session_id(),
                    .delivery = entry->delivery_id()};
        one.record.offset = entry->offset();
        one.record.append_time_us = entry->append_time_us();
        if (const auto origin = origins.find(number); origin != origins.end()) {
            set_origin(one.record, *origin->second);
        }
        arrived_.push_back(std::move(one));
    }
    changed_.notify_all();
}

std::vector<Subscription::Impl::Arrived> Subscription::Impl::take(
    std::chrono::milliseconds wait_max) {
    send_settlements();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait_max, [this] { return !arrived_.empty() || failure_; });
    if (arrived_.empty() && failure_) {
        client::throw_error(*failure_);
    }
    std::vector<Arrived> taken(std::make_move_iterator(arrived_.begin()),
                               std::make_move_iterator(arrived_.end()));
    arrived_.clear();
    return taken;
}

wire::SettleRequestT& Subscription::Impl::message_for(const Arrived& delivery) {
    auto& gathered = gathered_[{delivery.session, delivery.shard}];
    ++gathered.count;
    return gathered.message;
}

void Subscription::Impl::ack(const Arrived& delivery) {
    bool is_full = false;
    {
        const std::lock_guard lock(mutex_);
        auto& message = message_for(delivery);
        message.acks.push_back(delivery.delivery);
        is_full = message.acks.size() >= settlements_per_request;
    }
    if (is_full) {
        send_settlements();
    }
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
}

void Subscription::Impl::send_settlements() {
    std::map<Target, Gathered> gathered;
    {
        const std::lock_guard lock(mutex_);
        gathered = std::exchange(gathered_, {});
        unanswered_ += gathered.size();
    }
    for (auto& [target, one] : gathered) {
        one.message.session_id = target.first;
        one.message.shard = target.second;
        core_->send(Api::subscription_settle,
                    std::move(one.message),
                    [self = shared_from_this(), count = one.count](const auto& answer) {
                        self->end_settlement(answer, count);
                    });
    }
}

void Subscription::Impl::end_settlement(const Result<const wire::FrameView*>& answer,
                                        std::size_t count) {
    const auto parsed = answer ? wire::parse_message<wire::SettleAnswer>(answer.value()->table)
                               : Result<wire::SettleAnswerT>(answer.error());
    const bool is_lost = !parsed || parsed.value().error;
    {
        const std::lock_guard lock(mutex_);
        --unanswered_;
        // Without an answer the records count as not settled: they come, or came, again.
        stale_ += is_lost ? count : parsed.value().stale.size();
        changed_.notify_all();
    }
    if (is_lost) {
        open();
    }
}

std::size_t Subscription::Impl::flush() {
    send_settlements();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return unanswered_ == 0; });
    return std::exchange(stale_, 0);
}

void Subscription::Impl::close() {
    (void)flush();
    wire::SubscriptionCloseRequestT request;
    {
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
        request.session_id = session_;
    }
    core_->post(
        [core = core_, session = request.session_id] { core->drop_session_handler(session); });
    core_->send(
        Api::subscription_close, std::move(request), [self = shared_from_this()](const auto&) {});
}

void Delivery::ack() {
    subscription_->impl_->ack({.record = {},
                               .attempt = attempt_,
                               .shard = shard_,
                               .session = session_,
                               .delivery = delivery_id_});
}

void Delivery::nack(NackOptions options) {
    subscription_->impl_->nack({.record = {},
                                .attempt = attempt_,
                                .shard = shard_,
                                .session = session_,
                                .delivery = delivery_id_},
                               std::move(options));
}

void Delivery::extend(std::chrono::milliseconds by) {
    subscription_->impl_->extend({.record = {},
                                  .attempt = attempt_,
                                  .shard = shard_,
                                  .session = session_,
                                  .delivery = delivery_id_},
                                 by);
}

Subscription::Subscription(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}
Subscription::~Subscription() {
    if (impl_) {
        impl_->close();
    }
}

std::vector<Delivery> Subscription::poll(std::chrono::milliseconds wait_max) {
    std::vector<Delivery> deliveries;
    for (auto& one : impl_->take(wait_max)) {
        Delivery delivery;
        delivery.record_ = std::move(one.record);
        delivery.attempt_ = one.attempt;
        delivery.shard_ = one.shard;
        delivery.session_ = one.session;
        delivery.delivery_id_ = one.delivery;
        delivery.subscription_ = this;
        deliveries.push_back(std::move(delivery));
    }
    return deliveries;
}

std::size_t Subscription::flush() {
    return impl_->flush();
}

void Subscription::Iterator::advance() {
    constexpr std::chrono::milliseconds wait{1'000};
    while (next_ >= batch_.size()) {
        batch_ = owner_->poll(wait);
        next_ = 0;
    }
}

}  // namespace millrace
