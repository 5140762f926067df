#include "broker/protocol/server.hpp"

#include <utility>

namespace millrace::broker::protocol {

Server::Server(const ServiceTable& table, Shard& shard, SessionLimits limits)
    : table_(table),
      shard_(shard),
      limits_(limits),
      metrics_(shard.metrics(), shard.id()),
      fetcher_(shard) {}

Result<Endpoint> Server::listen(const Endpoint& endpoint) {
    return shard_.runtime().listen(endpoint, [this](std::shared_ptr<Connection> connection) {
        return accept(std::move(connection));
    });
}

ConnectionEvents* Server::accept(std::shared_ptr<Connection> connection) {
    auto session = std::make_shared<Session>(
        Session::Wiring{.table = table_,
                        .shard = shard_.id(),
                        .limits = limits_,
                        .metrics = metrics_,
                        .on_gone =
                            [this](Session& gone) {
                                sessions_.erase(&gone);
                                metrics_.connections = static_cast<std::uint32_t>(sessions_.size());
                            }},
        std::move(connection));
    sessions_.emplace(session.get(), session);
    metrics_.connections = static_cast<std::uint32_t>(sessions_.size());
    session->start();
    return session.get();
}

}  // namespace millrace::broker::protocol
