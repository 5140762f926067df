#include "broker/gateways/http/targets/webhook_sender.hpp"

#include <deque>
#include <map>
#include <utility>

#include "broker/gateways/http/server/limits.hpp"
#include "broker/gateways/http/targets/post_exchange.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::http {

struct WebhookSender::Impl : std::enable_shared_from_this<WebhookSender::Impl> {
    Impl(boost::asio::io_context& io, const WebhookTarget& given, MetricsRegistry& registry)
        : control(io),
          target(given),
          metrics(registry),
          latency_us(registry.histogram("millrace_webhook_latency_us",
                                        "From the start of a post to its answer.",
                                        {{"subscription", given.subscription}})),
          under_way(registry.gauge("millrace_webhook_posts_under_way",
                                   "Posts without an answer yet.",
                                   {{"subscription", given.subscription}})) {}

    boost::asio::io_context& control;
    const WebhookTarget& target;
    MetricsRegistry& metrics;
    Histogram& latency_us;
    Gauge& under_way;
    SystemClock clock;
    std::unique_ptr<SubscriptionFeed> feed;
    std::deque<FeedEvent> waiting;  ///< bounded by the credit that the feed gives
    std::map<FeedRef, std::shared_ptr<PostExchange>> posts;
    bool is_stopped = false;

    void take(std::vector<FeedEvent> events);
    void post_more();
    void post(const FeedEvent& event);
    void settle(const FeedRef& ref, const PostAnswer& answer);
    void nack(const FeedRef& ref, delivery::Nack nack);
    void count(const std::string& outcome);
    [[nodiscard]] std::vector<FeedRef> held() const;
};

void WebhookSender::Impl::take(std::vector<FeedEvent> events) {
    for (auto& event : events) {
        waiting.push_back(std::move(event));
    }
    post_more();
}

void WebhookSender::Impl::post_more() {
    while (!is_stopped && posts.size() < target.concurrency && !waiting.empty()) {
        const auto event = std::move(waiting.front());
        waiting.pop_front();
        post(event);
    }
    under_way.set(static_cast<std::int64_t>(posts.size()));
}

void WebhookSender::Impl::post(const FeedEvent& event) {
    auto made = post_of(event, target, clock.unix_now());
    if (!made) {
        const bool is_too_large = made.error().code == Errc::frame_too_large;
        if (is_too_large) {
            count_limit(metrics, post_header_limit);
        }
        nack(event.ref,
             {.cause = is_too_large ? delivery::Cause::mapping : delivery::Cause::poison,
              .error = made.error().text});
        return;
    }
    posts[event.ref] =
        start_post(control,
                   target,
                   std::move(made).value(),
                   [weak = weak_from_this(), ref = event.ref, began = clock.steady_now()](
                       const PostAnswer& answer) {
                       const auto self = weak.lock();
                       if (!self || self->is_stopped) {
                           return;
                       }
                       const auto took = self->clock.steady_now() - began;
                       self->latency_us.observe(static_cast<std::uint64_t>(took.count()));
                       // Answering is the last thing that an exchange does.
                       const auto keep = self->posts.extract(ref);
                       self->settle(ref, answer);
                       self->post_more();
                   });
}

void WebhookSender::Impl::settle(const FeedRef& ref, const PostAnswer& answer) {
    auto verdict = judge(answer);
    if (verdict.is_done) {
        count("taken");
        feed->ack(ref);
    } else {
        nack(ref, std::move(verdict.nack));
    }
}

void WebhookSender::Impl::nack(const FeedRef& ref, delivery::Nack nack) {
    count(std::string(name_of(nack.cause)));
    feed->nack(ref, std::move(nack));
}

void WebhookSender::Impl::count(const std::string& outcome) {
    metrics
        .counter("millrace_webhook_posts_total",
                 "Posts to targets of the hooks file, by what became of them.",
                 {{"subscription", target.subscription}, {"outcome", outcome}})
        .add();
}

std::vector<FeedRef> WebhookSender::Impl::held() const {
    std::vector<FeedRef> refs;
    for (const auto& event : waiting) {
        refs.push_back(event.ref);
    }
    for (const auto& [ref, exchange] : posts) {
        refs.push_back(ref);
    }
    return refs;
}

WebhookSender::WebhookSender(boost::asio::io_context& control,
                             const WebhookTarget& target,
                             MetricsRegistry& metrics)
    : impl_(std::make_shared<Impl>(control, target, metrics)) {
    // The feed is this one's, so that it must not own it.
    impl_->feed = std::make_unique<SubscriptionFeed>(
        control,
        SubscriptionFeed::Options{.subscription = target.subscription,
                                  .consumer = "webhook",
                                  .credit = static_cast<std::uint32_t>(target.concurrency)},
        SubscriptionFeed::User{
            .take = [here = impl_.get()](
                        std::vector<FeedEvent> events) { here->take(std::move(events)); },
            .held = [here = impl_.get()] { return here->held(); }});
}

WebhookSender::~WebhookSender() {
    stop();
}

void WebhookSender::start(std::vector<SubscriptionFeed::Link> shards,
                          std::function<std::uint64_t()> next_id) {
    impl_->feed->start(std::move(shards), std::move(next_id));
}

void WebhookSender::stop() {
    if (std::exchange(impl_->is_stopped, true)) {
        return;
    }
    impl_->feed->stop();
    for (const auto& [ref, exchange] : std::exchange(impl_->posts, {})) {
        exchange->stop();
    }
}

}  // namespace millrace::broker::http
