#include "broker/odoo_feed.hpp"

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
#include "broker/odoo/ledger/marker_age.hpp"
#include "broker/odoo/sink/sink.hpp"
#include "broker/odoo_settings.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds reopen_delay{1};
constexpr std::chrono::seconds extend_interval{10};
constexpr std::chrono::seconds extend_by{60};
constexpr std::chrono::hours forget_interval{1};
constexpr std::size_t batches_ahead = 4;  ///< credit per connection, in batches

}  // namespace

struct OdooFeed::Impl : std::enable_shared_from_this<OdooFeed::Impl> {
    Impl(asio::io_context& context, const Config& given, MetricsRegistry& metrics_registry)
        : control(context),
          config(given),
          metrics(metrics_registry),
          reopen_timer(context),
          extend_timer(context),
          wake_timer(context),
          forget_timer(context) {}

    asio::io_context& control;
    Config config;
    MetricsRegistry& metrics;
    SystemClock clock;
    std::unique_ptr<odoo::Transport> transport;
    std::unique_ptr<odoo::Sink> sink;
    asio::steady_timer reopen_timer;
    asio::steady_timer extend_timer;
    asio::steady_timer wake_timer;
    asio::steady_timer forget_timer;
    std::vector<ShardLink> shards;
    NextId next_id;
    std::map<ShardId, std::uint64_t> sessions;  ///< open ones
    std::set<ShardId> wanted;                   ///< to be opened
    std::string last_reason;
    bool is_stopped = false;

    Result<void> prepare();
    void open_wanted();
    void take(const std::vector<odoo::Event>& events);
    void open_on(ShardId shard);
    void end_open(ShardId shard, std::uint64_t session, const Result<void>& opened);
    void end_session(ShardId shard, std::uint64_t session);
    void reopen_later();
    void settle(ShardId shard, std::uint64_t session, delivery::Settlement settlement);
    void extend_held();
    void wake_at(SteadyTime at);
    /// Markers of the ledger that no replay can need any more are forgotten, now and then.
    void forget_markers_later();
    void forget_markers(const std::vector<std::uint64_t>& retentions_ms);
};

namespace {

/// Copies deliveries of one shard and brings them to the control thread.
class FeedTarget final : public delivery::DeliveryTarget {
  public:
    using OnEvents = std::function<void(std::vector<odoo::Event>)>;
    using OnEnded = std::function<void(ShardId, std::uint64_t)>;

    FeedTarget(Shard& shard, std::uint64_t session, OnEvents on_events, OnEnded on_ended)
        : shard_(shard),
          session_(session),
          on_events_(std::move(on_events)),
          on_ended_(std::move(on_ended)) {}

    void on_deliveries(ShardId shard, std::span<const delivery::Delivery> deliveries) override {
        const auto view = shard_.catalog().view();
        std::vector<odoo::Event> events;
        events.reserve(deliveries.size());
        for (const auto& one : deliveries) {
            auto origin = delivery::origin_of(*view, one.partition, one.offset, one.record);
            events.push_back(
                {.ref = {.shard = shard, .session = session_, .delivery_id = one.delivery_id},
                 .topic = std::move(origin.topic),
                 .partition_index = origin.partition_index,
                 .offset = origin.offset,
                 .append_time_us = one.append_time_us,
                 .attempt = one.attempt,
                 .record = {one.record.begin(), one.record.end()}});
        }
        on_events_(std::move(events));
    }
    void on_ended(ShardId shard, const Error& /*reason*/) override { on_ended_(shard, session_); }

  private:
    Shard& shard_;
    std::uint64_t session_;
    OnEvents on_events_;
    OnEnded on_ended_;
};

}  // namespace

Result<void> OdooFeed::Impl::prepare() {
    if (config.odoo_mapping.empty()) {
        return fail(
            Errc::configuration,
            "odoo_url is set, so odoo_database, odoo_login, and odoo_mapping or odoo_source "
            "are needed");
    }
    MILLRACE_TRY(auto mapping, odoo::parse_mapping_file(config.odoo_mapping));
    MILLRACE_TRY(transport, make_odoo_transport(control, config));
    odoo::SinkOptions options;
    options.connections_max = config.odoo_connections_max;
    options.stations.batch_records_max = config.odoo_batch_records_max;
    options.stations.business_batch_records_max = config.odoo_business_batch_records_max;
    options.ledger_action_id = static_cast<std::int64_t>(config.odoo_ledger_action);
    sink = std::make_unique<odoo::Sink>(
        options,
        std::move(mapping),
        odoo::SinkParts{
            .transport = *transport,
            .metrics = metrics,
            .clock = clock,
            .settle =
                [this](ShardId shard, std::uint64_t session, delivery::Settlement settlement) {
                    settle(shard, session, std::move(settlement));
                },
            .wake_at = [this](SteadyTime at) { wake_at(at); }});
    return ok();
}

void OdooFeed::Impl::wake_at(SteadyTime at) {
    wake_timer.expires_after(at - clock.steady_now());
    wake_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self && !self->is_stopped) {
            self->sink->wake();
        }
    });
}

void OdooFeed::Impl::open_wanted() {
    if (is_stopped) {
        return;
    }
    for (const auto shard : std::exchange(wanted, {})) {
        open_on(shard);
    }
}

void OdooFeed::Impl::take(const std::vector<odoo::Event>& events) {
    if (!is_stopped) {
        sink->accept(events);
    }
}

void OdooFeed::Impl::open_on(ShardId shard) {
    const auto session = next_id();
    const auto link = shards[shard.value];
    const auto credit = static_cast<std::uint32_t>(config.odoo_connections_max *
                                                   config.odoo_batch_records_max * batches_ahead);
    auto target = std::make_shared<FeedTarget>(
        *link.shard,
        session,
        [self = shared_from_this()](std::vector<odoo::Event> events) {
            asio::post(self->control, [self, events = std::move(events)] { self->take(events); });
        },
        [self = shared_from_this()](ShardId ended, std::uint64_t of_session) {
            asio::post(self->control,
                       [self, ended, of_session] { self->end_session(ended, of_session); });
        });
    link.runtime->post_from_outside(
        [self = shared_from_this(), link, shard, session, credit, target] {
            const auto opened =
                link.delivery->subscriptions().open({.name = self->config.odoo_subscription,
                                                     .session = session,
                                                     .consumer = "odoo",
                                                     .credit = credit,
                                                     .target = target});
            asio::post(self->control,
                       [self, shard, session, opened] { self->end_open(shard, session, opened); });
        });
}

void OdooFeed::Impl::end_open(ShardId shard, std::uint64_t session, const Result<void>& opened) {
    if (opened) {
        last_reason.clear();
        sessions[shard] = session;
        log_info("odoo",
                 "shard " + std::to_string(shard.value) + " feeds \"" + config.odoo_subscription +
                     "\" to " + config.odoo_url);
        return;
    }
    if (std::exchange(last_reason, opened.error().text) != opened.error().text) {
        log_warning("odoo", "waits: " + opened.error().text);
    }
    wanted.insert(shard);
    reopen_later();
}

void OdooFeed::Impl::end_session(ShardId shard, std::uint64_t session) {
    if (const auto found = sessions.find(shard);
        found != sessions.end() && found->second == session) {
        sessions.erase(found);
    }
    wanted.insert(shard);
    reopen_later();
}

void OdooFeed::Impl::reopen_later() {
    if (is_stopped) {
        return;
    }
    reopen_timer.expires_after(reopen_delay);
    reopen_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) {
            self->open_wanted();
        }
    });
}

void OdooFeed::Impl::settle(ShardId shard, std::uint64_t session, delivery::Settlement settlement) {
    if (is_stopped) {
        return;  // the shards may have ended; they deliver again after the next start
    }
    const auto link = shards[shard.value];
    link.runtime->post_from_outside([link, session, settlement = std::move(settlement)]() mutable {
        // What is stale was delivered again elsewhere; an upsert twice is one record.
        link.delivery->subscriptions().settle(
            session, std::move(settlement), [](const Result<std::vector<std::uint64_t>>&) {});
    });
}

void OdooFeed::Impl::extend_held() {
    extend_timer.expires_after(extend_interval);
    extend_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->is_stopped) {
            return;
        }
        std::map<std::pair<ShardId, std::uint64_t>, delivery::Settlement> extensions;
        for (const auto& ref : self->sink->held()) {
            extensions[{ref.shard, ref.session}].extends.push_back(ref.delivery_id);
        }
        for (auto& [session, settlement] : extensions) {
            settlement.extend_by = extend_by;
            self->settle(session.first, session.second, std::move(settlement));
        }
        self->extend_held();
    });
}

void OdooFeed::Impl::forget_markers_later() {
    forget_timer.expires_after(forget_interval);
    forget_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->is_stopped) {
            return;
        }
        const auto link = self->shards.front();
        link.runtime->post_from_outside([self, link] {
            std::vector<std::uint64_t> retentions_ms;
            const auto view = link.shard->catalog().view();
            const auto found = view->subscriptions.find(self->config.odoo_subscription);
            if (found == view->subscriptions.end()) {
                return;
            }
            for (const auto& topic : view->matching(found->second->topics)) {
                retentions_ms.push_back(topic->retention_ms);
            }
            asio::post(self->control,
                       [self, retentions_ms] { self->forget_markers(retentions_ms); });
        });
        self->forget_markers_later();
    });
}

void OdooFeed::Impl::forget_markers(const std::vector<std::uint64_t>& retentions_ms) {
    const auto age = odoo::marker_age_max(config.odoo_ledger_keep_days, retentions_ms);
    if (age && !is_stopped) {
        sink->forget_markers(clock.unix_now() - age->count());
    }
}

Result<void> check_odoo_settings(const Config& config) {
    asio::io_context context;
    MetricsRegistry metrics;
    MILLRACE_TRY(OdooFeed::create(context, config, metrics));
    return ok();
}

Result<std::unique_ptr<OdooFeed>> OdooFeed::create(asio::io_context& control,
                                                   const Config& config,
                                                   MetricsRegistry& metrics) {
    if (config.odoo_url.empty() || (config.odoo_mapping.empty() && !config.odoo_source.empty())) {
        return std::unique_ptr<OdooFeed>();
    }
    auto impl = std::make_shared<Impl>(control, config, metrics);
    MILLRACE_TRY(impl->prepare());
    return std::unique_ptr<OdooFeed>(new OdooFeed(std::move(impl)));
}

OdooFeed::OdooFeed(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling a timer that exists does not fail
OdooFeed::~OdooFeed() {
    stop();
}

void OdooFeed::start(std::vector<ShardLink> shards, NextId next_id) {
    impl_->shards = std::move(shards);
    impl_->next_id = std::move(next_id);
    for (ShardId shard{0}; shard.value < impl_->shards.size(); ++shard) {
        impl_->wanted.insert(shard);
    }
    asio::post(impl_->control, [impl = impl_] {
        impl->open_wanted();
        impl->extend_held();
        impl->forget_markers_later();
    });
}

void OdooFeed::stop() {
    if (std::exchange(impl_->is_stopped, true)) {
        return;
    }
    impl_->reopen_timer.cancel();
    impl_->extend_timer.cancel();
    impl_->wake_timer.cancel();
    impl_->forget_timer.cancel();
    impl_->transport->stop();
}

}  // namespace millrace::broker
