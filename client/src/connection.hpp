#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "client/src/broker_list.hpp"
#include "client/wire/frame.hpp"
#include "client/wire/message.hpp"
#include "client/wire/schema/common_generated.h"
#include "client/wire/schema/session_generated.h"
#include "millrace/client.hpp"
#include "storage/base/result.hpp"

namespace millrace::client {

/// The answer to a request, or why there is none. The view is valid during the call.
using OnAnswer = std::function<void(Result<const wire::FrameView*>)>;
using OnPush = std::function<void(const wire::FrameView&)>;

/// The connection to a broker: connects when first needed, again when lost, in turn over the given
/// addresses.
///
/// Promise:  every request gets its `OnAnswer` once. Requests wait while there is no connection, at
/// most the connect timeout; those that were sent on
///           a connection that broke end with connection_lost: whether they had effect is not
///           known.
/// Failure:  each address has its share of the connect timeout to accept and to greet. Once
/// greeted, a broker that does not even answer a probe counts as lost after `silence_max`. Threads:
/// the client's io thread.
class Connection {
  public:
    Connection(boost::asio::io_context& context, ClientOptions options);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    Connection(Connection&&) = delete;
    Connection& operator=(Connection&&) = delete;
    ~Connection();

    /// `frame_of` builds the frame for the correlation it is given.
    void request(std::function<std::vector<std::byte>(std::uint32_t correlation)> frame_of,
                 std::chrono::milliseconds timeout,
                 OnAnswer on_answer);
    void on_push(OnPush handler) { on_push_ = std::move(handler); }
    /// Called after every hello, before any waiting request goes out, for as long as `owner` lives.
    void on_connected(std::weak_ptr<void> owner, std::function<void()> handler);
    [[nodiscard]] bool is_ready() const { return state_ == State::ready; }
    [[nodiscard]] const wire::HelloAnswerT& hello() const { return hello_; }
    void close();

  private:
    using Clock = std::chrono::steady_clock;
    using Tcp = boost::asio::ip::tcp;
    enum class State : std::uint8_t { idle, connecting, greeting, ready, closed };
    struct Pending {
        OnAnswer on_answer;
        Clock::time_point deadline;
    };
    struct Listener {
        std::weak_ptr<void> owner;
        std::function<void()> handler;
    };
    struct Waiting {
        std::function<std::vector<std::byte>(std::uint32_t)> frame_of;
        Pending pending;
        Clock::time_point connect_deadline;
    };

    void connect();
    void on_resolved(const boost::system::error_code& error,
                     const Tcp::resolver::results_type& endpoints);
    void greet();
    void on_hello(const wire::FrameView& frame);
    void send(Waiting waiting);
    void write();
    void read();
    bool handle(const wire::FrameView& frame);
    void lost(const std::string& why);
    [[nodiscard]] std::chrono::milliseconds rest_before_next();
    void watch();
    void look_at_attempt(Clock::time_point now);
    void look_at_silence(Clock::time_point now);
    void end_probe(const Result<const wire::FrameView*>& answer, Clock::time_point sent);
    [[nodiscard]] wire::HelloRequestT hello_request() const;
    [[nodiscard]] std::vector<OnAnswer> take_late(Clock::time_point now);
    [[nodiscard]] std::string target() const;

    boost::asio::io_context& context_;
    ClientOptions options_;
    BrokerList brokers_;
    State state_ = State::idle;
    Tcp::resolver resolver_;
    Tcp::socket socket_;
    boost::asio::steady_timer retry_timer_;
    boost::asio::steady_timer watch_timer_;
    std::chrono::milliseconds backoff_;
    std::size_t tried_ = 0;          ///< brokers since the last that greeted
    bool has_met_follower_ = false;  ///< since the last rest
    std::uint64_t generation_ = 0;   ///< callbacks of an earlier socket are told apart by it
    wire::FrameReader reader_;
    std::deque<std::vector<std::byte>> outgoing_;
    std::vector<std::vector<std::byte>> writing_;
    std::uint32_t last_correlation_ = 0;
    std::map<std::uint32_t, Pending> pending_;
    std::deque<Waiting> waiting_;
    wire::HelloAnswerT hello_;
    OnPush on_push_;
    std::vector<Listener> on_connected_;
    std::optional<Clock::time_point> attempt_deadline_;  ///< while one connects or waits for hello
    Clock::time_point last_received_;
    bool is_probing_ = false;
    std::string last_error_;
};

}  // namespace millrace::client
