#include "millrace/subscription.hpp"

#include <map>
#include <utility>

#include "client/src/subscription/subscription_impl.hpp"
#include "client/wire/record.hpp"

namespace millrace {
namespace {

using wire::Api;

constexpr std::chrono::milliseconds reopen_delay{100};

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

void set_origin(Record& record, const wire::DeliveryOrigin& origin, client::RecordMemory& memory) {
    record.topic = origin.topic() == nullptr ? "" : memory.add_text(origin.topic()->string_view());
    record.partition = origin.partition();
    record.offset = origin.offset();
}

}  // namespace

Subscription::Impl::Impl(std::shared_ptr<client::Core> core,
                         std::string name,
                         SubscribeOptions options)
    : core_(std::move(core)), name_(std::move(name)), options_(std::move(options)) {}

void Subscription::Impl::start() {
    {
        auto names = std::make_shared<client::PartitionNames>(client::names_of(core_->topics({})));
        const std::lock_guard lock(mutex_);
        names_ = std::move(names);
    }
    core_->post([self = shared_from_this()] {
        self->core_->connection().on_connected(self->weak_from_this(),
                                               [raw = self.get()] { raw->connected(); });
        self->open();
    });
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, core_->options().connect_timeout + reopen_delay, [this] {
        return session_ != 0 || failure_;
    });
    if (failure_) {
        client::throw_error(*failure_);
    }
}

/// The session went with the connection that it was opened on: what came of it comes again.
void Subscription::Impl::connected() {
    {
        const std::lock_guard lock(mutex_);
        core_->drop_session_handler(std::exchange(session_, 0));
        arrived_.clear();
        unnamed_.clear();
    }
    open();
}

void Subscription::Impl::open() {
    {
        const std::lock_guard lock(mutex_);
        if (is_closed_ || std::exchange(is_opening_, true)) {
            return;
        }
    }
    send_open();
}

void Subscription::Impl::send_open() {
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
    const bool is_open = parsed && !parsed.value().error;
    const bool is_refused = parsed && parsed.value().error && !parsed.value().error->retryable;
    if (is_open) {
        send_settlements();  // those of the session before are still worth something
    }
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
        close_session(is_open ? parsed.value().session_id : 0);
        return;
    }
    if (!is_open && !is_refused) {
        // Still opening: nobody else begins meanwhile.
        auto timer = std::make_shared<boost::asio::steady_timer>(core_->context(), reopen_delay);
        timer->async_wait([self = shared_from_this(), timer](const auto&) { self->send_open(); });
        return;
    }
    is_opening_ = false;
    if (is_refused) {
        failure_ = client::from_wire(*parsed.value().error);
    } else {
        begin_session(parsed.value().session_id);
    }
    changed_.notify_all();
}

/// Under the lock.
void Subscription::Impl::begin_session(std::uint64_t session) {
    close_session(std::exchange(session_, session));
    failure_.reset();
    arrived_.clear();
    unnamed_.clear();
    core_->set_session_handler(session, [weak = weak_from_this()](const wire::FrameView& frame) {
        if (const auto self = weak.lock()) {
            self->on_push(frame);
        }
    });
    wire::SubscriptionCreditRequestT credit;
    credit.session_id = session;
    credit.credit = options_.credit;
    core_->send(Api::subscription_credit, credit, [](const auto&) {});
}

/// Gives its records and its credit back to the broker. On the io thread.
void Subscription::Impl::close_session(std::uint64_t session) {
    if (session == 0) {
        return;
    }
    core_->drop_session_handler(session);
    wire::SubscriptionCloseRequestT request;
    request.session_id = session;
    core_->send(Api::subscription_close, request, [](const auto&) {});
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
    const auto origins = origins_of(*table.value());
    const std::lock_guard lock(mutex_);
    const auto memory = std::make_shared<client::RecordMemory>(frame.keep_raw(), names_);
    auto raw = memory->bytes();
    for (std::uint32_t number = 0; number < entries->size(); ++number) {
        const auto* const entry = entries->Get(number);
        const auto bytes = raw.first(std::min<std::size_t>(entry->record_bytes(), raw.size()));
        raw = raw.subspan(bytes.size());
        const auto view = wire::parse_plain_record(bytes);
        if (!view) {
            continue;
        }
        const auto origin = origins.find(number);
        const auto& name = memory->name_of(entry->partition_id());
        const bool is_named = !name.topic.empty() || origin != origins.end();
        Arrived one{.record = client::to_record(view.value(), name, memory),
                    .attempt = entry->attempt(),
                    .shard = table.value()->shard(),
                    .session = table.value()->session_id(),
                    .delivery = entry->delivery_id(),
                    .partition_id = entry->partition_id()};
        one.record.offset = entry->offset();
        one.record.append_time_us = entry->append_time_us();
        if (origin != origins.end()) {
            set_origin(one.record, *origin->second, *memory);
        }
        (is_named ? arrived_ : unnamed_).push_back(std::move(one));
    }
    if (!unnamed_.empty() && !std::exchange(is_learning_, true)) {
        learn_names();
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

void Subscription::Impl::close() {
    (void)flush();
    {
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
    }
    core_->post([self = shared_from_this()] {
        const std::lock_guard lock(self->mutex_);
        self->close_session(std::exchange(self->session_, 0));
    });
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
// NOLINTNEXTLINE(bugprone-exception-escape): posting fails only for want of memory
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
