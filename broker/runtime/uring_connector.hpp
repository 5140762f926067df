#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <netinet/in.h>

#include "broker/runtime/ring.hpp"
#include "broker/runtime/runtime.hpp"

namespace millrace::broker {

/// An endpoint as the system takes it.
///
/// **Errors**: Errc::configuration for an address that is not an IPv4 address.
[[nodiscard]] Result<sockaddr_in> parse_address(const Endpoint& endpoint);

/// One outgoing connection until it stands, and the time it may take.
///
/// Place:    below UringNetwork, which makes a connection of the socket.
/// Promise:  `done` runs once, from a completion, whatever went wrong; the socket and this object
/// stay until the kernel has let go of both. Threads:  the shard's.
class UringConnector final : public RingOperation {
  public:
    /// Gets the connected socket, to keep, or why there is none.
    using Done = std::function<void(Result<int>)>;

    UringConnector(Ring& ring, Done done);
    UringConnector(const UringConnector&) = delete;
    UringConnector& operator=(const UringConnector&) = delete;
    UringConnector(UringConnector&&) = delete;
    UringConnector& operator=(UringConnector&&) = delete;
    ~UringConnector() override;

    /// At most once.
    void start(const Endpoint& endpoint, Duration timeout);
    /// Lets it fail with `reason`, also in place of `start`; harmless when it has ended already.
    void end(const Error& reason);
    /// Nothing of it is left in the kernel.
    [[nodiscard]] bool is_quiet() const { return !is_pending_ && !timer_.is_running(); }
    void complete(std::int32_t result, std::uint32_t flags) override;

  private:
    [[nodiscard]] Result<void> open(const Endpoint& endpoint);
    [[nodiscard]] Error lost(int code) const;
    void on_timer();
    void close_socket();

    Ring& ring_;
    Done done_;  ///< empty once it ran
    RingTimer timer_;
    std::string to_;
    std::chrono::milliseconds timeout_{0};
    sockaddr_in address_{};
    int descriptor_ = -1;
    bool is_pending_ = false;
    std::optional<Error> failure_;
};

}  // namespace millrace::broker
