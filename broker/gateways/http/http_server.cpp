#include "broker/gateways/http/http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace millrace::broker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::size_t body_bytes_max = 1024;  ///< GET carries none; a little is forgiven

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
    Impl(asio::io_context& io, HttpLimits given_limits, HttpHandler given_handler)
        : context(io), acceptor(io), limits(given_limits), handler(std::move(given_handler)) {}

    asio::io_context& context;
    Tcp::acceptor acceptor;
    HttpLimits limits;
    HttpHandler handler;
    std::size_t open = 0;

    void accept();
};

namespace {

/// One connection; lives in its own callbacks.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
  public:
    HttpConnection(Tcp::socket socket,
                   const HttpLimits& limits,
                   const HttpHandler& handler,
                   std::function<void()> on_end)
        : stream_(std::move(socket)),
          limits_(limits),
          handler_(handler),
          on_end_(std::move(on_end)) {}
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;
    HttpConnection(HttpConnection&&) = delete;
    HttpConnection& operator=(HttpConnection&&) = delete;
    ~HttpConnection() { on_end_(); }

    void read() {
        parser_.emplace();
        parser_->header_limit(limits_.header_bytes_max);
        parser_->body_limit(body_bytes_max);
        stream_.expires_after(limits_.request_timeout);
        http::async_read(
            stream_,
            buffer_,
            *parser_,
            [self = shared_from_this()](beast::error_code error, std::size_t) {
                if (error == http::error::header_limit || error == http::error::body_limit) {
                    self->write(
                        {.status = 431, .content_type = "text/plain", .body = "too large\n"},
                        false);
                } else if (!error) {
                    self->answer();
                }
            });
    }

  private:
    void answer() {
        const auto& request = parser_->get();
        const bool keep = request.keep_alive();
        if (request.method() != http::verb::get && request.method() != http::verb::head) {
            write({.status = 405, .content_type = "text/plain", .body = "only GET is known here\n"},
                  keep);
            return;
        }
        const auto target = request.target();
        write(handler_(std::string(target.data(), target.size())), keep);
    }
    void write(HttpAnswer answer, bool keep) {
        response_ = {};
        response_.result(answer.status);
        response_.set(http::field::content_type, answer.content_type);
        response_.keep_alive(keep);
        response_.body() = std::move(answer.body);
        response_.prepare_payload();
        http::async_write(stream_,
                          response_,
                          [self = shared_from_this(), keep](beast::error_code error, std::size_t) {
                              if (!error && keep) {
                                  self->read();
                              }
                          });
    }

    beast::tcp_stream stream_;
    const HttpLimits& limits_;
    const HttpHandler& handler_;
    std::function<void()> on_end_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
};

}  // namespace

void HttpServer::Impl::accept() {
    const auto end_one = [self = shared_from_this()] { --self->open; };
    acceptor.async_accept(
        [self = shared_from_this(), end_one](beast::error_code error, Tcp::socket socket) {
            if (error == asio::error::operation_aborted || !self->acceptor.is_open()) {
                return;
            }
            if (!error && self->open < self->limits.connections_max) {
                ++self->open;
                std::make_shared<HttpConnection>(
                    std::move(socket), self->limits, self->handler, end_one)
                    ->read();
            }
            self->accept();
        });
}

HttpServer::HttpServer(asio::io_context& context, HttpLimits limits, HttpHandler handler)
    : impl_(std::make_shared<Impl>(context, limits, std::move(handler))) {}

HttpServer::~HttpServer() {
    stop();
}

Result<std::uint16_t> HttpServer::listen(const std::string& address, std::uint16_t port) {
    beast::error_code error;
    const auto parsed = asio::ip::make_address(address, error);
    if (error) {
        return fail(Errc::configuration, "\"" + address + "\" is not an address to listen on");
    }
    auto& acceptor = impl_->acceptor;
    const Tcp::endpoint endpoint(parsed, port);
    acceptor.open(endpoint.protocol(), error);
    acceptor.set_option(asio::socket_base::reuse_address(true), error);
    acceptor.bind(endpoint, error);
    if (!error) {
        acceptor.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
        return fail(
            Errc::io,
            "cannot listen on " + address + ":" + std::to_string(port) + ": " + error.message(),
            error.value());
    }
    impl_->accept();
    return acceptor.local_endpoint().port();
}

void HttpServer::stop() {
    beast::error_code ignored;
    impl_->acceptor.close(ignored);
}

}  // namespace millrace::broker
