#pragma once

#include <functional>
#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "broker/gateways/http/server/limits.hpp"
#include "broker/gateways/http/server/message.hpp"

namespace millrace::broker::http {

/// What the connections of a server share.
struct ConnectionWorld {
    ConnectionWorld(Limits given_limits, MetricsRegistry& registry, Handler given_handler)
        : limits(given_limits), metrics(registry), handler(std::move(given_handler)) {}

    Limits limits;
    ServerMetrics metrics;
    Handler handler;
    std::uint64_t body_bytes = 0;  ///< promised to requests that are under way
    std::size_t open = 0;
    bool is_stopping = false;
};

enum class Welcome : std::uint8_t {
    serve,
    turn_away,  ///< answers one request with the limit that is reached
};

/// Serves a connection until it ends; lives in its own callbacks.
void serve_connection(std::shared_ptr<ConnectionWorld> world,
                      boost::asio::ip::tcp::socket socket,
                      Welcome welcome);

}  // namespace millrace::broker::http
