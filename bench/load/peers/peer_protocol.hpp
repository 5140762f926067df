#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

/// Which of the connections it is, and how many streams, subjects, topics or partitions there are.
struct PeerPlace {
    std::uint32_t connection = 0;
    std::uint32_t streams = 0;
};

/// One connection's side of another broker's wire protocol.
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
    /// What `append_publish` has kept back, where a request carries several events. Comes behind
    /// all that may go now.
    virtual void append_gathered(std::string& /*out*/) {}

    struct Taken {
        std::uint64_t acks = 0;             ///< of the oldest events without one
        std::vector<std::uint64_t> events;  ///< or which are acked, where acks come in any order;
                                            ///< the connection's first event is 0
        std::string reply;                  ///< what the server waits for, such as a pong
    };
    /// Takes whole answers off the front of `bytes`. Throws std::runtime_error with the server's
    /// words when it refuses something.
    [[nodiscard]] virtual Taken take(std::string_view& bytes) = 0;
    /// Whether events may go.
    [[nodiscard]] virtual bool is_ready() const = 0;
};

/// "redis", "nats", "mqtt", "rabbitmq" or "kafka"; null for another name.
[[nodiscard]] std::unique_ptr<PeerProtocol> make_peer_protocol(std::string_view name,
                                                               const PeerPlace& place);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_redis();
[[nodiscard]] std::unique_ptr<PeerProtocol> make_nats(const PeerPlace& place);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_mqtt(const PeerPlace& place);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_rabbitmq(const PeerPlace& place);
[[nodiscard]] std::unique_ptr<PeerProtocol> make_kafka(const PeerPlace& place);

}  // namespace millrace::bench
