#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "storage/base/result.hpp"

namespace millrace::broker {

struct HttpAnswer {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};
/// Answers a GET for a target; runs on the control thread.
using HttpHandler = std::function<HttpAnswer(const std::string& target)>;

struct HttpLimits {
    std::size_t connections_max = 256;
    std::uint32_t header_bytes_max = 8 * 1024;
    std::chrono::seconds request_timeout{10};
};

/// Metrics and health over HTTP/1.1.
///
/// Threads:  those that run the io_context: the control thread.
class HttpServer {
  public:
    HttpServer(boost::asio::io_context& context, HttpLimits limits, HttpHandler handler);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    HttpServer(HttpServer&&) = delete;
    HttpServer& operator=(HttpServer&&) = delete;
    ~HttpServer();

    /// Returns the port that was bound. Errors: configuration, io.
    [[nodiscard]] Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker
