#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::bench {

/// One connection's side of another broker's wire protocol. Acks come in the order of the events.
///
/// Threads: one.
class PeerProtocol {
  public:
    PeerProtocol() = default;
    PeerProtocol(const PeerProtocol&) = delete;
    PeerProtocol& operator=(const PeerProtocol&) = delete;
    PeerProtocol(PeerProtocol&&) = delete;
    PeerProtocol& operator=(PeerProtocol&&) = delete;
    virtual ~PeerProtocol() = default;
    /// What opens the session.
    [[nodiscard]] virtual std::string greeting() = 0;
    virtual void append_publish(std::string& out, std::uint32_t stream, std::string_view value) = 0;

    struct Taken {
        std::uint64_t acks = 0;
        std::string reply;  ///< what the server waits for, such as a pong
    };
    /// Takes whole answers off the front of `bytes`. Throws std::runtime_error with the server's
    /// words when it refuses something.
    [[nodiscard]] virtual Taken take(std::string_view& bytes) = 0;
    /// Whether events may go.
    [[nodiscard]] virtual bool is_ready() const = 0;
};

/// "redis", "nats" or "mqtt"; null for another name. `number` tells connections apart.
[[nodiscard]] std::unique_ptr<PeerProtocol> make_peer_protocol(std::string_view name,
                                                               std::uint32_t number);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_redis();
[[nodiscard]] std::unique_ptr<PeerProtocol> make_nats(std::uint32_t number);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_mqtt(std::uint32_t number);

}  // namespace millrace::bench
