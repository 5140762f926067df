#include "broker/gateways/http/server/http_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/gateways/http/server/connection.hpp"

namespace millrace::broker::http {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

/// Beyond the limit so many are told why; the next ones are closed at once.
constexpr std::size_t turned_away_max = 32;
constexpr std::chrono::milliseconds accept_pause{100};

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
    Impl(asio::io_context& io, std::shared_ptr<ConnectionWorld> given_world)
        : acceptor(io), pause(io), world(std::move(given_world)) {}

    Tcp::acceptor acceptor;
    asio::steady_timer pause;
    std::shared_ptr<ConnectionWorld> world;

    void accept();
    void accept_later();
    void welcome(Tcp::socket socket) const;
};

void HttpServer::Impl::welcome(Tcp::socket socket) const {
    const auto room = world->limits.connections_max;
    if (world->open < room) {
        serve_connection(world, std::move(socket), Welcome::serve);
        return;
    }
    world->metrics.reached(connections_limit).add();
    if (world->open < room + turned_away_max) {
        serve_connection(world, std::move(socket), Welcome::turn_away);
    }
}

void HttpServer::Impl::accept() {
    acceptor.async_accept(
        [self = shared_from_this()](boost::system::error_code error, Tcp::socket socket) {
            if (error == asio::error::operation_aborted || !self->acceptor.is_open()) {
                return;
            }
            if (error) {
                self->accept_later();
                return;
            }
            self->welcome(std::move(socket));
            self->accept();
        });
}

void HttpServer::Impl::accept_later() {
    // Most likely there is no descriptor left; asking at once would only ask again.
    pause.expires_after(accept_pause);
    pause.async_wait([weak = weak_from_this()](boost::system::error_code error) {
        if (const auto self = weak.lock(); self && !error && self->acceptor.is_open()) {
            self->accept();
        }
    });
}

HttpServer::HttpServer(asio::io_context& context,
                       Limits limits,
                       MetricsRegistry& metrics,
                       Handler handler)
    : impl_(std::make_shared<Impl>(
          context, std::make_shared<ConnectionWorld>(limits, metrics, std::move(handler)))) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling a timer that exists does not fail
HttpServer::~HttpServer() {
    stop();
}

Result<std::uint16_t> HttpServer::listen(const std::string& address, std::uint16_t port) {
    boost::system::error_code error;
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
    impl_->world->is_stopping = true;
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->pause.cancel();
}

}  // namespace millrace::broker::http
