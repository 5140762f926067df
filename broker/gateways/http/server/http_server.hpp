#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/gateways/http/server/limits.hpp"
#include "broker/gateways/http/server/message.hpp"
#include "storage/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::http {

/// HTTP/1.1 with keep-alive. Hands each request, whole, to one handler.
///
/// Promise:  every request that parses is answered once, in order; one that does not, or is beyond
/// a
///           limit, gets problem details and its connection is closed. A connection holds one
///           request at a time.
/// Threads:  those that run the io_context: the control thread.
class HttpServer {
  public:
    HttpServer(boost::asio::io_context& context,
               Limits limits,
               MetricsRegistry& metrics,
               Handler handler);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    HttpServer(HttpServer&&) = delete;
    HttpServer& operator=(HttpServer&&) = delete;
    ~HttpServer();  // NOLINT(bugprone-exception-escape): see its definition

    /// Returns the port that was bound. Errors: configuration, io.
    [[nodiscard]] Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
    /// Takes no new connections; those that are open get the answers they wait for.
    void stop();

    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker::http
