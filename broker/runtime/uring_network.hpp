#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/runtime/ring.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/runtime/uring_connection.hpp"
#include "broker/runtime/uring_connector.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// Buffers that the kernel picks from when bytes arrive, shared by all connections of a shard.
class ReceiveBuffers {
  public:
    static constexpr std::uint16_t group = 0;
    static constexpr unsigned count = 64;  ///< a power of two
    static constexpr std::size_t bytes_each = std::size_t{64} * 1024;

    [[nodiscard]] static Result<std::unique_ptr<ReceiveBuffers>> create(Ring& ring);
    ReceiveBuffers(const ReceiveBuffers&) = delete;
    ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;
    ReceiveBuffers(ReceiveBuffers&&) = delete;
    ReceiveBuffers& operator=(ReceiveBuffers&&) = delete;
    ~ReceiveBuffers();

    [[nodiscard]] std::span<const std::byte> bytes(std::uint16_t number) const;
    void give_back(std::uint16_t number);

  private:
    explicit ReceiveBuffers(Ring& ring) : ring_(ring) {}
    Ring& ring_;
    io_uring_buf_ring* shared_ = nullptr;
    std::vector<std::byte> memory_;
};

/// That no process listens on `endpoint`: the shards of a node share its port, and the system would
/// share it between two nodes just as well. Waits for a second where one does. Port 0 is always
/// free. Errors: io. Threads: any that may wait.
[[nodiscard]] Result<void> ensure_nobody_listens(const Endpoint& endpoint);

/// Listening sockets and connections of one shard, those that came and those that it asked for.
///
/// Promise:  `connections_max` and the metrics are about those that came, but for those of
/// `listen_apart`. After `close_all` no connection begins. Threads:  the shard's.
class UringNetwork {
  public:
    UringNetwork(Ring& ring,
                 std::unique_ptr<ReceiveBuffers> buffers,
                 std::size_t connections_max,
                 MetricsRegistry& metrics,
                 ShardId shard);
    UringNetwork(const UringNetwork&) = delete;
    UringNetwork& operator=(const UringNetwork&) = delete;
    UringNetwork(UringNetwork&&) = delete;
    UringNetwork& operator=(UringNetwork&&) = delete;
    ~UringNetwork();

    [[nodiscard]] Result<Endpoint> listen(const Endpoint& endpoint, Accept accept);
    /// As Runtime::listen_apart.
    [[nodiscard]] Result<Endpoint> listen_apart(const Endpoint& endpoint,
                                                std::size_t connections_max,
                                                Accept accept);
    void stop_listening();
    /// As Runtime::connect.
    void connect(const Endpoint& endpoint, Duration timeout, Connected done);
    /// For good: what asks for a connection afterwards gets `reason`.
    void close_all(const Error& reason);
    /// Hands every connection's queue to the ring.
    void flush();
    [[nodiscard]] bool is_quiet() const {
        return incoming_.empty() && apart_.empty() && outgoing_.empty() && listeners_.empty() &&
               connectors_.empty();
    }

  private:
    class Listener;
    using Connections = std::unordered_map<std::uint64_t, std::shared_ptr<UringConnection>>;
    struct Socket {
        int descriptor = -1;
        std::string peer;
    };
    /// Who listens: for clients, or apart from them.
    struct Door {
        Accept accept;
        Connections* among = nullptr;
        std::size_t connections_max = 0;
    };
    [[nodiscard]] Result<Endpoint> listen_at(const Endpoint& endpoint, Door door);
    void accepted(Listener& listener, int descriptor);
    void accept_failed(int code);
    void connected(Result<int> descriptor, const std::string& peer, const Connected& done);
    /// Makes a connection of a socket, for whom `accept` names.
    void take(Socket socket, Connections& among, const Accept& accept);
    void forget(std::uint64_t number) { gone_.push_back(number); }

    Ring& ring_;
    std::unique_ptr<ReceiveBuffers> buffers_;
    std::size_t connections_max_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<UringConnector>> connectors_;
    Connections incoming_;
    Connections apart_;  ///< came, too, but not from clients
    Connections outgoing_;
    std::vector<std::uint64_t> gone_;
    std::uint64_t last_number_ = 0;
    std::optional<Error> closing_;
    Gauge& open_;
    Counter& refused_;
    Counter& accept_failed_;
    std::optional<std::chrono::steady_clock::time_point> warned_at_;
};

}  // namespace millrace::broker
