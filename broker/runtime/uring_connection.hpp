#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "broker/runtime/ring.hpp"
#include "broker/runtime/runtime.hpp"

namespace millrace::broker {

class ReceiveBuffers;

/// A socket on the ring: one multishot receive, one send in flight that takes everything queued.
///
/// Promise:  the socket and this object stay until the kernel has let go of both; `on_closed` comes
/// once, last; from then on it touches neither ring nor socket, so that whoever still holds it may
/// drop it late and on any thread. Threads:  the shard's.
class UringConnection final : public Connection,
                              public std::enable_shared_from_this<UringConnection> {
  public:
    /// `on_gone` runs when nothing of it is left in the kernel; the network drops it then.
    UringConnection(Ring& ring,
                    ReceiveBuffers& buffers,
                    int descriptor,
                    std::string peer,
                    std::function<void()> on_gone);
    UringConnection(const UringConnection&) = delete;
    UringConnection& operator=(const UringConnection&) = delete;
    UringConnection(UringConnection&&) = delete;
    UringConnection& operator=(UringConnection&&) = delete;
    ~UringConnection() override;

    void start(ConnectionEvents& events);
    void send(std::vector<std::byte> bytes) override;
    void send(SharedBytes bytes) override;
    [[nodiscard]] std::size_t unsent_bytes() const override { return unsent_bytes_; }
    void pause_reading() override;
    void resume_reading() override;
    void close(Error reason) override;
    [[nodiscard]] const std::string& peer() const override { return peer_; }

    /// Hands what is queued to the ring. At the end of a turn.
    void flush();
    /// Does not wait for what is queued. `on_closed` may come before it returns.
    void abort(Error reason);
    /// Gives socket and slot back, whatever the kernel still does with them: before the ring ends.
    void let_go();

  private:
    class Operation final : public RingOperation {
      public:
        using Handler = void (UringConnection::*)(std::int32_t, std::uint32_t);
        Operation(UringConnection& owner, Handler handler)
            : RingOperation(Kind::other), owner_(owner), handler_(handler) {}
        void complete(std::int32_t result, std::uint32_t flags) override {
            (owner_.*handler_)(result, flags);
        }

      private:
        UringConnection& owner_;
        Handler handler_;
    };

    void receive();
    /// Calls the owner, whom the end of the connection does not reach before `tell` returns.
    template <class Call>
    void tell(Call call) {
        is_telling_ = true;
        call(*events_);
        is_telling_ = false;
    }
    void tell_bytes(std::span<const std::byte> bytes);
    void on_received(std::int32_t result, std::uint32_t flags);
    void on_sent(std::int32_t result, std::uint32_t flags);
    void on_close_timer();
    void begin_close();
    void end_when_quiet();

    /// Bytes to be sent and what keeps them.
    struct Queued {
        std::variant<std::vector<std::byte>, SharedBytes> keeper;

        [[nodiscard]] std::span<const std::byte> bytes() const {
            return std::visit([](const auto& kept) { return std::span<const std::byte>(kept); },
                              keeper);
        }
    };
    void queue(Queued queued);

    static constexpr std::size_t pieces_max = 64;

    Ring& ring_;
    ReceiveBuffers& buffers_;
    int descriptor_;
    RingFile file_;
    std::string peer_;
    std::function<void()> on_gone_;
    ConnectionEvents* events_ = nullptr;
    Operation receive_operation_;
    Operation send_operation_;
    RingTimer close_timer_;  ///< how long a close waits for what was sent
    bool is_receiving_ = false;
    bool is_sending_ = false;
    bool is_paused_ = false;
    bool wants_writable_ = false;
    bool is_shut_ = false;
    bool is_gone_ = false;
    bool is_telling_ = false;
    std::optional<Error> closing_;
    std::deque<Queued> queue_;
    std::size_t sent_of_first_ = 0;
    std::size_t unsent_bytes_ = 0;
    std::array<iovec, pieces_max> pieces_{};
    msghdr message_{};
};

}  // namespace millrace::broker
