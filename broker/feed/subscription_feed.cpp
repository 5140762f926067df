#include "broker/feed/subscription_feed.hpp"

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds reopen_delay{1};
constexpr std::chrono::seconds extend_interval{10};
constexpr std::chrono::seconds extend_by{60};
/// Below this a record may be given up before the next round of extensions.
constexpr std::chrono::milliseconds ack_timeout_short{3 * extend_interval};

/// Deliveries of one call.
struct FeedBatch {
    std::vector<FeedEvent> events;
    bool is_short_of_time = false;  ///< extended at once
};

/// When the topic came to be that a record was published to. What was replayed and copied before
/// the topic was made anew is of one that is no more.
UnixMicros created_of(const CatalogView& view,
                      const delivery::Delivery& one,
                      const std::string& topic) {
    const auto found = view.topics.find(topic);
    const auto* const lies_in = view.find(one.partition);
    if (found == view.topics.end()) {
        return 0;
    }
    const bool is_copy = lies_in == nullptr || lies_in->topic->name != topic;
    const auto created_us = found->second->created_us;
    return is_copy && one.append_time_us < created_us ? 0 : created_us;
}

/// Copies deliveries of one shard and brings them to the control thread.
class FeedTarget final : public delivery::DeliveryTarget {
  public:
    using OnEvents = std::function<void(FeedBatch)>;
    using OnEnded = std::function<void(ShardId, std::uint64_t)>;

    FeedTarget(Shard& shard,
               const SubscriptionFeed::Options& options,
               std::uint64_t session,
               OnEvents on_events,
               OnEnded on_ended)
        : shard_(shard),
          subscription_(options.subscription),
          session_(session),
          on_events_(std::move(on_events)),
          on_ended_(std::move(on_ended)) {}

    void on_deliveries(ShardId shard, std::span<const delivery::Delivery> deliveries) override {
        const auto view = shard_.catalog().view();
        const auto found = view->subscriptions.find(subscription_);
        FeedBatch batch{.is_short_of_time = found != view->subscriptions.end() &&
                                            std::chrono::milliseconds(
                                                found->second->ack_timeout_ms) < ack_timeout_short};
        auto& events = batch.events;
        events.reserve(deliveries.size());
        for (const auto& one : deliveries) {
            auto origin = delivery::origin_of(*view, one.partition, one.offset, one.record);
            const auto created_us = created_of(*view, one, origin.topic);
            events.push_back(
                {.ref = {.shard = shard, .session = session_, .delivery_id = one.delivery_id},
                 .topic = std::move(origin.topic),
                 .topic_created_us = created_us,
                 .partition_index = origin.partition_index,
                 .offset = origin.offset,
                 .append_time_us = one.append_time_us,
                 .attempt = one.attempt,
                 .tries = one.tries,
                 .record = {one.record.begin(), one.record.end()}});
        }
        on_events_(std::move(batch));
    }
    void on_ended(ShardId shard, const Error& /*reason*/) override { on_ended_(shard, session_); }

  private:
    Shard& shard_;
    std::string subscription_;
    std::uint64_t session_;
    OnEvents on_events_;
    OnEnded on_ended_;
};

}  // namespace

struct SubscriptionFeed::Impl : std::enable_shared_from_this<SubscriptionFeed::Impl> {
    Impl(asio::io_context& io, Options given_options, User given_user)
        : control(io),
          options(std::move(given_options)),
          user(std::move(given_user)),
          reopen_timer(io),
          extend_timer(io) {}

    asio::io_context& control;
    Options options;
    User user;
    asio::steady_timer reopen_timer;
    asio::steady_timer extend_timer;
    std::vector<Link> shards;
    std::function<std::uint64_t()> next_id;
    std::map<ShardId, std::uint64_t> sessions;  ///< open ones
    std::set<ShardId> wanted;                   ///< to be opened
    std::string last_reason;
    bool is_stopped = false;

    void open_wanted();
    void open_on(ShardId shard);
    void end_open(ShardId shard, std::uint64_t session, const Result<void>& opened);
    void end_session(ShardId shard, std::uint64_t session);
    void reopen_later();
    void settle(ShardId shard, std::uint64_t session, delivery::Settlement settlement);
    void take(FeedBatch batch);
    void extend(const std::vector<FeedRef>& refs);
    void extend_held();
    /// Runs on the control thread, as long as the feed is there; what a shard holds of it is weak.
    template <class Work>
    // NOLINTNEXTLINE(readability-function-size): what runs there and what runs here stand together
    auto to_control(Work work) {
        return [&io = control, weak = weak_from_this(), work = std::move(work)](auto... arguments) {
            asio::post(io, [weak, work, ... taken = std::move(arguments)]() mutable {
                if (const auto self = weak.lock(); self && !self->is_stopped) {
                    work(*self, std::move(taken)...);
                }
            });
        };
    }
};

void SubscriptionFeed::Impl::open_wanted() {
    for (const auto shard : std::exchange(wanted, {})) {
        open_on(shard);
    }
}

void SubscriptionFeed::Impl::open_on(ShardId shard) {
    const auto session = next_id();
    const auto link = shards[shard.value];
    auto target = std::make_shared<FeedTarget>(
        *link.shard,
        options,
        session,
        to_control([](Impl& self, FeedBatch batch) { self.take(std::move(batch)); }),
        to_control([](Impl& self, ShardId ended, std::uint64_t of_session) {
            self.end_session(ended, of_session);
        }));
    auto answer = to_control([shard, session](Impl& self, const Result<void>& opened) {
        self.end_open(shard, session, opened);
    });
    link.runtime->post_from_outside(
        [link, session, target, options = options, answer = std::move(answer)] {
            answer(link.delivery->subscriptions().open({.name = options.subscription,
                                                        .session = session,
                                                        .consumer = options.consumer,
                                                        .credit = options.credit,
                                                        .target = target}));
        });
}

void SubscriptionFeed::Impl::end_open(ShardId shard,
                                      std::uint64_t session,
                                      const Result<void>& opened) {
    if (opened) {
        last_reason.clear();
        sessions[shard] = session;
        log_info(options.consumer,
                 "shard " + std::to_string(shard.value) + " feeds \"" + options.subscription +
                     "\"" + (options.destination.empty() ? "" : " to " + options.destination));
        return;
    }
    if (std::exchange(last_reason, opened.error().text) != opened.error().text) {
        log_warning(options.consumer, "waits: " + opened.error().text);
    }
    wanted.insert(shard);
    reopen_later();
}

void SubscriptionFeed::Impl::end_session(ShardId shard, std::uint64_t session) {
    if (const auto found = sessions.find(shard);
        found != sessions.end() && found->second == session) {
        sessions.erase(found);
    }
    wanted.insert(shard);
    reopen_later();
}

void SubscriptionFeed::Impl::reopen_later() {
    reopen_timer.expires_after(reopen_delay);
    reopen_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        if (const auto self = weak.lock(); self && !error && !self->is_stopped) {
            self->open_wanted();
        }
    });
}

void SubscriptionFeed::Impl::settle(ShardId shard,
                                    std::uint64_t session,
                                    delivery::Settlement settlement) {
    if (is_stopped) {
        return;  // the shards may have ended; they deliver again after the next start
    }
    const auto link = shards[shard.value];
    link.runtime->post_from_outside([link, session, settlement = std::move(settlement)]() mutable {
        // What is stale was delivered again, and is settled then.
        link.delivery->subscriptions().settle(
            session, std::move(settlement), [](const Result<std::vector<std::uint64_t>>&) {});
    });
}

void SubscriptionFeed::Impl::take(FeedBatch batch) {
    if (batch.is_short_of_time) {
        std::vector<FeedRef> refs;
        for (const auto& event : batch.events) {
            refs.push_back(event.ref);
        }
        extend(refs);
    }
    user.take(std::move(batch.events));
}

void SubscriptionFeed::Impl::extend(const std::vector<FeedRef>& refs) {
    std::map<std::pair<ShardId, std::uint64_t>, delivery::Settlement> extensions;
    for (const auto& ref : refs) {
        extensions[{ref.shard, ref.session}].extends.push_back(ref.delivery_id);
    }
    for (auto& [session, settlement] : extensions) {
        settlement.extend_by = extend_by;
        settle(session.first, session.second, std::move(settlement));
    }
}

void SubscriptionFeed::Impl::extend_held() {
    extend_timer.expires_after(extend_interval);
    extend_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self || self->is_stopped) {
            return;
        }
        self->extend(self->user.held());
        self->extend_held();
    });
}

SubscriptionFeed::SubscriptionFeed(asio::io_context& control, Options options, User user)
    : impl_(std::make_shared<Impl>(control, std::move(options), std::move(user))) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling a timer that exists does not fail
SubscriptionFeed::~SubscriptionFeed() {
    stop();
}

void SubscriptionFeed::start(std::vector<Link> shards, std::function<std::uint64_t()> next_id) {
    impl_->shards = std::move(shards);
    impl_->next_id = std::move(next_id);
    for (ShardId shard{0}; shard.value < impl_->shards.size(); ++shard) {
        impl_->wanted.insert(shard);
    }
    impl_->open_wanted();
    impl_->extend_held();
}

void SubscriptionFeed::stop() {
    if (std::exchange(impl_->is_stopped, true)) {
        return;
    }
    impl_->reopen_timer.cancel();
    impl_->extend_timer.cancel();
}

void SubscriptionFeed::settle(ShardId shard,
                              std::uint64_t session,
                              delivery::Settlement settlement) {
    impl_->settle(shard, session, std::move(settlement));
}

void SubscriptionFeed::ack(const FeedRef& ref) {
    settle(ref.shard, ref.session, {.acks = {ref.delivery_id}, .nacks = {}, .extends = {}});
}

void SubscriptionFeed::nack(const FeedRef& ref, delivery::Nack nack) {
    nack.delivery_id = ref.delivery_id;
    delivery::Settlement settlement;
    settlement.nacks.push_back(std::move(nack));
    settle(ref.shard, ref.session, std::move(settlement));
}

}  // namespace millrace::broker
