#include "broker/gateways/http/http_door.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/gateways/http/admin/job_routes.hpp"
#include "broker/gateways/http/admin/letter_routes.hpp"
#include "broker/gateways/http/admin/probe_routes.hpp"
#include "broker/gateways/http/admin/subscription_routes.hpp"
#include "broker/gateways/http/admin/topic_routes.hpp"
#include "broker/gateways/http/hooks/hook_routes.hpp"
#include "broker/gateways/http/records/publish_routes.hpp"
#include "broker/gateways/http/records/read_routes.hpp"
#include "broker/gateways/http/routing/openapi.hpp"
#include "broker/gateways/http/routing/router.hpp"
#include "broker/gateways/http/server/http_server.hpp"
#include "broker/gateways/http/targets/webhook_sender.hpp"

namespace millrace::broker::http {

struct HttpDoor::Impl {
    Impl(boost::asio::io_context& control, DoorOptions given, MetricsRegistry& registry)
        : options(std::move(given)),
          metrics(registry),
          server_metrics(registry),
          streams(std::make_shared<StreamOffice>(
              StreamOffice{.streams_max = options.streams_max,
                           .gauge = &registry.gauge("millrace_http_streams", "Open event streams."),
                           .reached = &server_metrics.reached(streams_limit)})),
          gate(control, options.refusal),
          publisher(gate, clock, options.record_batch_bytes_max),
          router(make_routes(), registry),
          server(control, options.limits, registry, [this](RequestPtr request, Respond respond) {
              router.handle(std::move(request), std::move(respond));
          }) {
        for (const auto& target : options.hooks.targets) {
            senders.push_back(std::make_unique<WebhookSender>(control, target, registry));
        }
    }

    [[nodiscard]] Routes make_routes() {
        Routes routes;
        const auto add = [&routes](Routes more) {
            std::ranges::move(more, std::back_inserter(routes));
        };
        add(probe_routes(gate, metrics));
        add(cluster_routes(options.cluster_status));
        add(node_routes(options.admission));
        add(publish_routes(publisher,
                           {.records_max = options.request_records_max,
                            .records_max_reached = &server_metrics.reached(records_limit)}));
        add(read_routes(gate, streams));
        add(topic_routes(gate));
        add(subscription_routes(gate));
        add(letter_routes(gate));
        add(job_routes(gate));
        add(hook_routes(options.hooks, publisher, metrics));
        routes.push_back({.pattern = "/v1/openapi.json",
                          .summary = "This document.",
                          .handle = [this](const Call& call) {
                              call.answer(openapi_document(router.routes(), options.version));
                          }});
        return routes;
    }

    DoorOptions options;
    MetricsRegistry& metrics;
    ServerMetrics server_metrics;
    SystemClock clock;
    std::shared_ptr<StreamOffice> streams;
    ShardGate gate;
    Publisher publisher;
    Router router;
    HttpServer server;
    std::vector<std::unique_ptr<WebhookSender>> senders;
};

HttpDoor::HttpDoor(boost::asio::io_context& control, DoorOptions options, MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(control, std::move(options), metrics)) {}

HttpDoor::~HttpDoor() = default;

Result<std::uint16_t> HttpDoor::listen(const std::string& address, std::uint16_t port) {
    return impl_->server.listen(address, port);
}

void HttpDoor::open(std::vector<ShardLink> shards, const std::function<std::uint64_t()>& next_id) {
    std::vector<SubscriptionFeed::Link> links;
    links.reserve(shards.size());
    for (const auto& one : shards) {
        links.push_back({.runtime = one.runtime, .shard = one.shard, .delivery = one.delivery});
    }
    impl_->gate.open(std::move(shards));
    for (const auto& sender : impl_->senders) {
        sender->start(links, next_id);
    }
}

void HttpDoor::stop() {
    impl_->server.stop();
    impl_->gate.close();
    for (const auto& sender : impl_->senders) {
        sender->stop();
    }
}

}  // namespace millrace::broker::http
