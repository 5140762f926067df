#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "tests/unit/outbound/certificates.hpp"

namespace millrace::test {

/// A server of loopback for one connection, in TLS.
class TlsServer {
  public:
    /// Answers a request that has `request_bytes` at least, then closes without a word of TLS.
    struct Options {
        std::string answer;
        std::size_t request_bytes = 1;
        bool wants_certificate = false;  ///< of the client
        std::string chain;               ///< PEM: what is sent behind the certificate
    };

    TlsServer(boost::asio::io_context& context, const Certificate& certificate, Options options);

    [[nodiscard]] std::string port() const;
    /// What came in TLS.
    [[nodiscard]] const std::string& request() const { return request_; }
    /// Whom the client asked for; empty: nobody in particular.
    [[nodiscard]] const std::string& asked_for() const { return asked_for_; }
    void close();

  private:
    using Tcp = boost::asio::ip::tcp;

    void shake_hands();
    void read();

    Options options_;
    boost::asio::ssl::context tls_;
    Tcp::acceptor acceptor_;
    std::uint16_t port_;
    boost::asio::ssl::stream<Tcp::socket> stream_;
    std::string request_;
    std::string buffer_;
    std::string asked_for_;
};

/// A server of loopback for one connection that speaks no TLS.
class PlainServer {
  public:
    enum class Then : std::uint8_t { closes, is_silent };

    /// Writes `answer` when something has come.
    PlainServer(boost::asio::io_context& context, std::string answer, Then then);

    [[nodiscard]] std::string port() const;

  private:
    using Tcp = boost::asio::ip::tcp;

    void write_answer();

    std::string answer_;
    Then then_;
    Tcp::acceptor acceptor_;
    std::uint16_t port_;
    Tcp::socket socket_;
    std::string buffer_;
};

}  // namespace millrace::test
