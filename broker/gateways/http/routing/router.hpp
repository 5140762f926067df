#pragma once

#include <memory>
#include <string>

#include "broker/gateways/http/routing/route.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// Finds the route of a request, checks what the route says of query and body, and calls its
/// handler. HEAD goes where GET goes, OPTIONS is answered with what is allowed.
///
/// Threads:  the control thread.
class Router {
  public:
    Router(Routes routes, MetricsRegistry& metrics);

    void handle(RequestPtr request, Respond respond) const;
    [[nodiscard]] const Routes& routes() const { return routes_; }

  private:
    struct Match;
    [[nodiscard]] Match find(Method method, const std::vector<std::string>& segments) const;
    void serve(const Match& match, Call call) const;

    Routes routes_;
    std::vector<std::vector<std::string>> patterns_;  ///< segments by route
    std::vector<Counter*> answered_;                  ///< by route
    std::vector<Counter*> refused_;
    Histogram& latency_us_;
    SystemClock clock_;
};

}  // namespace millrace::broker::http
