#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "broker/delivery/reading/fetch.hpp"
#include "broker/protocol/session.hpp"

namespace millrace::broker::protocol {

/// The native door of one shard.
///
/// Threads:  the shard's.
class Server {
  public:
    Server(const ServiceTable& table, Shard& shard, SessionLimits limits);

    [[nodiscard]] Result<Endpoint> listen(const Endpoint& endpoint);
    [[nodiscard]] delivery::Fetcher& fetcher() { return fetcher_; }
    [[nodiscard]] const SessionMetrics& metrics() const { return metrics_; }

  private:
    ConnectionEvents* accept(std::shared_ptr<Connection> connection);

    const ServiceTable& table_;
    Shard& shard_;
    SessionLimits limits_;
    SessionMetrics metrics_;
    delivery::Fetcher fetcher_;
    std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
};

}  // namespace millrace::broker::protocol
