#include "broker/odoo_wiring/odoo_feed.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/feed/subscription_feed.hpp"
#include "broker/odoo/ledger/marker_age.hpp"
#include "broker/odoo/sink/sink.hpp"
#include "broker/odoo_wiring/odoo_settings.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::minutes first_forget_max{1};  ///< after a start
constexpr std::size_t batches_ahead = 4;             ///< credit per connection, in batches

/// Of the topics whose records may come to the feed: its own, and those of which a replay finds an
/// entry in the mapping.
void add_retentions(const CatalogView& view,
                    const SubscriptionInfo& subscription,
                    const std::vector<std::string>& ledger_topics,
                    odoo::MarkerUse& use) {
    use.retentions_ms.clear();
    for (const auto* const patterns : {&subscription.topics, &ledger_topics}) {
        for (const auto& topic : view.matching(*patterns)) {
            use.retentions_ms.push_back(topic->retention_ms);
        }
    }
    const auto replays = view.topics.find(replay_topic_of(subscription.name));
    use.replay_retention_ms = replays == view.topics.end() ? 0 : replays->second->retention_ms;
}

/// What a shard knows, on its thread. False where it does not have the subscription.
bool add_use(const SubscriptionFeed::Link& link,
             const std::string& subscription,
             const std::vector<std::string>& ledger_topics,
             odoo::MarkerUse& use) {
    const auto view = link.shard->catalog().view();
    const auto found = view->subscriptions.find(subscription);
    const auto progress = link.delivery->subscriptions().progress(subscription);
    if (found == view->subscriptions.end() || !progress) {
        return false;
    }
    add_retentions(*view, *found->second, ledger_topics, use);
    use.oldest_letter = std::max(use.oldest_letter, Duration(progress.value().oldest_letter_us));
    return true;
}

}  // namespace

struct OdooFeed::Impl : std::enable_shared_from_this<OdooFeed::Impl> {
    Impl(asio::io_context& context, const Config& given, MetricsRegistry& metrics_registry)
        : control(context),
          config(given),
          metrics(metrics_registry),
          wake_timer(context),
          forget_timer(context) {}

    asio::io_context& control;
    Config config;
    MetricsRegistry& metrics;
    SystemClock clock;
    std::unique_ptr<odoo::Transport> transport;
    std::unique_ptr<odoo::Sink> sink;
    std::unique_ptr<SubscriptionFeed> feed;
    asio::steady_timer wake_timer;
    asio::steady_timer forget_timer;
    std::vector<std::string> ledger_topics;
    std::vector<SubscriptionFeed::Link> shards;
    bool is_stopped = false;

    Result<void> prepare();
    void wake_at(SteadyTime at);
    /// Markers of the ledger that no replay can need any more are forgotten, now and then.
    void forget_markers_after(std::chrono::milliseconds wait);
    void ask_shard(std::size_t shard, const odoo::MarkerUse& use);
    static void go_on(const std::weak_ptr<Impl>& feed,
                      std::size_t shard,
                      const odoo::MarkerUse& use);
    void forget_markers(const odoo::MarkerUse& use) const;
};

Result<void> OdooFeed::Impl::prepare() {
    if (config.odoo_mapping.empty()) {
        return fail(
            Errc::configuration,
            "odoo_url is set, so odoo_database, odoo_login, and odoo_mapping or odoo_source "
            "are needed");
    }
    MILLRACE_TRY(auto mapping, odoo::parse_mapping_file(config.odoo_mapping));
    MILLRACE_TRY(transport, make_odoo_transport(control, config));
    ledger_topics = mapping.ledger_topics();
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
                    feed->settle(shard, session, std::move(settlement));
                },
            .wake_at = [this](SteadyTime at) { wake_at(at); }});
    feed = std::make_unique<SubscriptionFeed>(
        control,
        SubscriptionFeed::Options{
            .subscription = config.odoo_subscription,
            .consumer = "odoo",
            .credit = static_cast<std::uint32_t>(config.odoo_connections_max *
                                                 config.odoo_batch_records_max * batches_ahead),
            .destination = config.odoo_url},
        SubscriptionFeed::User{
            .take = [this](const std::vector<FeedEvent>& events) { sink->accept(events); },
            .held = [this] { return sink->held(); }});
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

void OdooFeed::Impl::forget_markers_after(std::chrono::milliseconds wait) {
    if (ledger_topics.empty()) {
        return;
    }
    forget_timer.expires_after(wait);
    forget_timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->is_stopped) {
            return;
        }
        self->ask_shard(0, {});
        self->forget_markers_after(
            std::chrono::milliseconds(self->config.odoo_ledger_clean_interval_ms));
    });
}

/// One after another: a shard that cannot say what it has keeps all markers where they are.
void OdooFeed::Impl::ask_shard(std::size_t shard, const odoo::MarkerUse& use) {
    if (is_stopped) {
        return;
    }
    if (shard == shards.size()) {
        forget_markers(use);
        return;
    }
    const auto link = shards[shard];
    // What a shard holds of this is weak: it must not be the one that ends it.
    link.runtime->post_from_outside([weak = weak_from_this(),
                                     &io = control,
                                     name = config.odoo_subscription,
                                     topics = ledger_topics,
                                     link,
                                     shard,
                                     use] {
        auto known = use;
        if (!add_use(link, name, topics, known)) {
            return;
        }
        asio::post(io, [weak, shard, known] { go_on(weak, shard + 1, known); });
    });
}

void OdooFeed::Impl::go_on(const std::weak_ptr<Impl>& feed,
                           std::size_t shard,
                           const odoo::MarkerUse& use) {
    if (const auto self = feed.lock()) {
        self->ask_shard(shard, use);
    }
}

void OdooFeed::Impl::forget_markers(const odoo::MarkerUse& use) const {
    const auto age = odoo::marker_age_max(config.odoo_ledger_keep_days, use);
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

void OdooFeed::start(std::vector<SubscriptionFeed::Link> shards,
                     std::function<std::uint64_t()> next_id) {
    impl_->shards = shards;
    impl_->feed->start(std::move(shards), std::move(next_id));
    const std::chrono::milliseconds interval(impl_->config.odoo_ledger_clean_interval_ms);
    impl_->forget_markers_after(std::min(interval, std::chrono::milliseconds(first_forget_max)));
}

void OdooFeed::stop() {
    if (std::exchange(impl_->is_stopped, true)) {
        return;
    }
    impl_->feed->stop();
    impl_->wake_timer.cancel();
    impl_->forget_timer.cancel();
    impl_->transport->stop();
}

}  // namespace millrace::broker
