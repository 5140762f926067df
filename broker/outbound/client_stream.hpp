#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "broker/outbound/open_fault.hpp"
#include "broker/outbound/peer.hpp"

namespace millrace::broker {

/// A connection to a peer, plain or in TLS, which Beast reads from and writes to.
///
/// Promise:  in TLS nothing is sent to a peer whose certificate is not trusted or is not for the
///           host that was asked for.
/// Threads:  the one that runs the io_context.
class ClientStream {
  public:
    // NOLINTNEXTLINE(readability-identifier-naming): the name that Asio asks for
    using executor_type = boost::beast::tcp_stream::executor_type;
    /// What went wrong, or nothing.
    using Opened = std::function<void(std::optional<OpenFault>)>;

    ClientStream(boost::asio::io_context& context, Peer peer);
    ClientStream(const ClientStream&) = delete;
    ClientStream& operator=(const ClientStream&) = delete;
    ClientStream(ClientStream&&) = delete;
    ClientStream& operator=(ClientStream&&) = delete;
    ~ClientStream() = default;

    [[nodiscard]] const Peer& peer() const { return peer_; }
    [[nodiscard]] executor_type get_executor() { return tcp().get_executor(); }

    /// `timeout` holds for connecting and the handshake together. Requires that `opened` keeps
    /// this stream until it has run.
    void open(std::chrono::milliseconds timeout, Opened opened);
    void expires_after(std::chrono::milliseconds timeout) { tcp().expires_after(timeout); }
    /// What is under way ends with an error.
    void close();

    template <class Buffers, class Handler>
    void async_read_some(const Buffers& buffers, Handler&& handler) {
        tls_ ? tls_->async_read_some(buffers, std::forward<Handler>(handler))
             : plain_.async_read_some(buffers, std::forward<Handler>(handler));
    }
    template <class Buffers, class Handler>
    void async_write_some(const Buffers& buffers, Handler&& handler) {
        tls_ ? tls_->async_write_some(buffers, std::forward<Handler>(handler))
             : plain_.async_write_some(buffers, std::forward<Handler>(handler));
    }

  private:
    using Tcp = boost::asio::ip::tcp;

    [[nodiscard]] boost::beast::tcp_stream& tcp() { return tls_ ? tls_->next_layer() : plain_; }
    void connect(const Tcp::resolver::results_type& found,
                 std::chrono::milliseconds timeout,
                 Opened opened);
    void shake_hands(Opened opened);
    /// Tells OpenSSL whose certificate it is to be, and the server who is asked for.
    [[nodiscard]] bool name_host();

    Peer peer_;
    Tcp::resolver resolver_;
    boost::beast::tcp_stream plain_;  ///< unused in TLS
    std::optional<boost::beast::ssl_stream<boost::beast::tcp_stream>> tls_;
    bool is_closed_ = false;
};

}  // namespace millrace::broker
