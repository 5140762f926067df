#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "broker/peers/frame_compression.hpp"
#include "broker/peers/peer_wire.hpp"
#include "broker/runtime/runtime.hpp"

namespace millrace::broker::peers {

/// One connection to another node's shard: cuts frames, waits for hello.
///
/// Threads:  the shard's. Failure:  bytes that are no frames, or no hello in time, end it.
class PeerLink final : public ConnectionEvents {
  public:
    struct Handlers {
        /// The other side has said who it is; an error closes the link with it as the reason.
        std::function<Result<void>(PeerLink&, const PeerHello&)> on_hello;
        std::function<void(PeerLink&, const wire::FrameView&)> on_frame;
        /// The last call; the link may be dropped in it.
        std::function<void(PeerLink&, const Error&)> on_closed;
    };
    /// `compression` outlives it.
    PeerLink(Runtime& runtime,
             std::shared_ptr<Connection> connection,
             const PeerHello& own_hello,
             const Compression& compression,
             Handlers handlers);
    PeerLink(const PeerLink&) = delete;
    PeerLink& operator=(const PeerLink&) = delete;
    PeerLink(PeerLink&&) = delete;
    PeerLink& operator=(PeerLink&&) = delete;
    ~PeerLink() override;

    void on_bytes(std::span<const std::byte> bytes) override;
    void on_writable() override {}
    void on_closed(const Error& reason) override;

    void send(std::vector<std::byte> frame);
    /// A frame with these bytes, compressed where that is wanted and worth it. **Requires** a
    /// hello.
    void send_bytes(PeerApi api, std::uint32_t correlation, std::span<const std::byte> bytes);
    void close(Error reason);
    /// The other side is told why.
    void refuse(const Error& reason);
    [[nodiscard]] std::size_t unsent_bytes() const { return connection_->unsent_bytes(); }
    /// Who it is, after hello.
    [[nodiscard]] const std::optional<PeerHello>& hello() const { return hello_; }
    [[nodiscard]] const std::string& address() const { return connection_->peer(); }
    /// When it last brought anything.
    [[nodiscard]] SteadyTime heard() const { return heard_; }

  private:
    bool handle(const wire::FrameView& frame);
    void hand_on(const wire::FrameView& frame);

    Runtime& runtime_;
    std::shared_ptr<Connection> connection_;
    Handlers handlers_;
    wire::FrameReader reader_{peer_frame_bytes_max};
    std::optional<PeerHello> hello_;
    const Compression& compression_;
    std::optional<FrameCompressor> compressor_;  ///< after hello
    SteadyTime heard_{};
    TimerId hello_timer_ = 0;
    bool is_closing_ = false;
};

}  // namespace millrace::broker::peers
