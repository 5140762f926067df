#include "broker/gateways/http/server/limits.hpp"

namespace millrace::broker::http {
namespace {

Counter& counter_of(MetricsRegistry& metrics, std::string_view limit) {
    return metrics.counter("millrace_http_limit_reached_total",
                           "HTTP requests, posts or connections that a limit refused or ended.",
                           {{"limit", std::string(limit)}});
}

}  // namespace

ServerMetrics::ServerMetrics(MetricsRegistry& registry)
    : metrics(registry),
      connections(registry.gauge("millrace_http_connections", "Open HTTP connections.")),
      body_bytes(registry.gauge("millrace_http_body_bytes",
                                "Bytes of requests that are being read or answered.")),
      requests(registry.counter("millrace_http_requests_total", "HTTP requests read whole.")),
      malformed(registry.counter("millrace_http_malformed_total",
                                 "Bytes on the HTTP port that were no request.")) {}

Counter& ServerMetrics::reached(std::string_view limit) {
    return counter_of(metrics, limit);
}

void count_limit(MetricsRegistry& metrics, std::string_view limit) {
    counter_of(metrics, limit).add();
}

}  // namespace millrace::broker::http
