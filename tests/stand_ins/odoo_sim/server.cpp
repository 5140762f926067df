#include "tests/stand_ins/odoo_sim/server.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "tests/stand_ins/odoo_sim/webhook_post.hpp"

namespace millrace::stand_ins {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::uint64_t body_bytes_max = 64ULL << 20U;
constexpr std::chrono::milliseconds look_interval{10};
constexpr std::chrono::seconds request_timeout{60};

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::io_context& io, Simulator& given, ServerOptions given_options)
        : context(io),
          acceptor(io),
          control(io),
          timer(io),
          simulator(given),
          options(std::move(given_options)) {
        simulator.use_webhooks([this](const std::string& url, const std::string& body) {
            posts.push_back({.url = url, .body = body});
        });
    }

    asio::io_context& context;
    Tcp::acceptor acceptor;
    Tcp::acceptor control;  ///< heard also while the server is down
    asio::steady_timer timer;
    Simulator& simulator;
    ServerOptions options;
    std::optional<asio::ssl::context> tls;
    std::size_t busy_workers = 0;
    std::deque<std::function<void()>> waiting;
    std::deque<WebhookPost> posts;  ///< of the call that was just answered

    [[nodiscard]] std::uint16_t open(Tcp::acceptor& door, std::uint16_t port);
    void accept(Tcp::acceptor& door);
    void serve(Tcp::socket socket, bool is_tls);
    /// Stops listening while the simulator is down, as a stopped server does.
    void look();
    /// Runs `task` when a worker is free; the task gives it back with `free_worker`.
    void with_worker(std::function<void()> task);
    void free_worker();
};

/// One request and its answer.
template <class Stream>
class Server::Exchange : public std::enable_shared_from_this<Server::Exchange<Stream>> {
  public:
    template <class... Parts>
    explicit Exchange(std::shared_ptr<Impl> server, Parts&&... parts)
        : server_(std::move(server)),
          stream_(std::forward<Parts>(parts)...),
          timer_(server_->context) {
        parser_.body_limit(body_bytes_max);
    }

    void start() {
        tcp().expires_after(request_timeout);
        if constexpr (std::is_same_v<Stream, TlsStream>) {
            stream_.async_handshake(asio::ssl::stream_base::server,
                                    [self = this->shared_from_this()](beast::error_code error) {
                                        self->read_unless(error);
                                    });
        } else {
            read();
        }
    }

  private:
    [[nodiscard]] beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream_); }
    void read_unless(beast::error_code error) {
        if (!error) {
            read();
        }
    }
    void read() {
        http::async_read(stream_,
                         buffer_,
                         parser_,
                         [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                             if (!error) {
                                 self->run();
                             }
                         });
    }
    void run() {
        const auto& request = parser_.get();
        const HttpRequest plain{.method = std::string(request.method_string()),
                                .target = std::string(request.target()),
                                .content_type = std::string(request[http::field::content_type]),
                                .body = request.body(),
                                .authorization = std::string(request[http::field::authorization]),
                                .database = std::string(request["X-Odoo-Database"])};
        if (plain.target.starts_with("/sim/")) {
            after_posts(server_->simulator.answer(plain), [this](const HttpReply& reply) {
                (void)server_->simulator.end(reply);
                write(reply);
            });
            return;
        }
        server_->with_worker([self = this->shared_from_this(), plain] {
            self->tcp().expires_never();
            self->work(plain);
        });
    }
    void work(HttpRequest request) {
        if (server_->simulator.is_down()) {  // before it came to this one
            server_->free_worker();
            reset();
            return;
        }
        request.callers = server_->busy_workers + server_->waiting.size();
        auto reply = server_->simulator.answer(request);
        request.tries = reply.tries;
        after_posts(std::move(reply),
                    [this, request](const HttpReply& posted) { wait_for(posted, request); });
    }
    /// Webhooks are posted while their transaction is open, and hold it.
    void after_posts(HttpReply reply, std::function<void(const HttpReply&)> then) {
        post_webhooks(
            server_->context,
            std::exchange(server_->posts, {}),
            [self = this->shared_from_this(), reply = std::move(reply), then = std::move(then)] {
                then(reply);
            });
    }
    void wait_for(HttpReply reply, HttpRequest request) {
        timer_.expires_after(reply.busy);
        timer_.async_wait([self = this->shared_from_this(),
                           reply = std::move(reply),
                           request = std::move(request)](const beast::error_code&) mutable {
            reply.busy = self->server_->simulator.end(reply);
            reply.written.clear();
            if (reply.busy.count() > 0) {
                self->wait_for(std::move(reply), std::move(request));
            } else if (reply.is_to_repeat) {
                self->work(std::move(request));
            } else {
                self->server_->free_worker();
                self->server_->simulator.is_down() ? self->reset() : self->write(reply);
            }
        });
    }
    /// As the kernel does for a process that is gone.
    void reset() {
        beast::error_code ignored;
        tcp().socket().set_option(asio::socket_base::linger(true, 0), ignored);
        tcp().close();
    }
    void write(const HttpReply& reply) {
        if (reply.is_dropped) {
            tcp().close();
            return;
        }
        response_.version(10);
        response_.result(reply.status);
        response_.set(http::field::server, "Werkzeug/3.0.1 Python/3.12");
        response_.set(http::field::content_type, reply.content_type);
        response_.set(http::field::connection, "close");
        if (!reply.location.empty()) {
            response_.set(http::field::location, reply.location);
        }
        response_.body() = reply.body;
        response_.prepare_payload();
        tcp().expires_after(request_timeout);
        http::async_write(
            stream_, response_, [self = this->shared_from_this()](beast::error_code, std::size_t) {
                // In TLS without a word of farewell, as many servers do.
                beast::error_code ignored;
                self->tcp().socket().shutdown(Tcp::socket::shutdown_send, ignored);
            });
    }

    std::shared_ptr<Impl> server_;
    Stream stream_;
    asio::steady_timer timer_;
    beast::flat_buffer buffer_;
    http::request_parser<http::string_body> parser_;
    http::response<http::string_body> response_;
};

std::uint16_t Server::Impl::open(Tcp::acceptor& door, std::uint16_t port) {
    const Tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
    door.open(endpoint.protocol());
    door.set_option(asio::socket_base::reuse_address(true));
    door.bind(endpoint);
    door.listen();
    accept(door);
    return door.local_endpoint().port();
}

void Server::Impl::accept(Tcp::acceptor& door) {
    door.async_accept(
        [self = shared_from_this(), &door](beast::error_code error, Tcp::socket socket) {
            if (error || !door.is_open()) {
                return;
            }
            self->simulator.count_connection();
            self->serve(std::move(socket), self->tls && &door == &self->acceptor);
            self->accept(door);
        });
}

void Server::Impl::serve(Tcp::socket socket, bool is_tls) {
    if (is_tls) {
        std::make_shared<Exchange<TlsStream>>(shared_from_this(), std::move(socket), *tls)->start();
    } else {
        std::make_shared<Exchange<PlainStream>>(shared_from_this(), std::move(socket))->start();
    }
}

void Server::Impl::look() {
    const bool is_open = acceptor.is_open();
    if (is_open && simulator.is_down()) {
        acceptor.close();
    } else if (!is_open && !simulator.is_down()) {
        (void)open(acceptor, options.port);
    }
    timer.expires_after(look_interval);
    timer.async_wait([self = shared_from_this()](beast::error_code error) {
        if (!error) {
            self->look();
        }
    });
}

void Server::Impl::with_worker(std::function<void()> task) {
    if (busy_workers >= options.workers) {
        waiting.push_back(std::move(task));
        return;
    }
    ++busy_workers;
    task();
}

void Server::Impl::free_worker() {
    --busy_workers;
    if (!waiting.empty()) {
        auto next = std::move(waiting.front());
        waiting.pop_front();
        ++busy_workers;
        next();
    }
}

Server::Server(asio::io_context& context, Simulator& simulator, ServerOptions options)
    : impl_(std::make_shared<Impl>(context, simulator, std::move(options))) {}

// NOLINTNEXTLINE(bugprone-exception-escape): closing a socket of this thread does not throw
Server::~Server() {
    impl_->acceptor.close();
    impl_->control.close();
    impl_->timer.cancel();
}

ServerPorts Server::listen() {
    if (!impl_->options.tls_cert.empty()) {
        auto& tls = impl_->tls.emplace(asio::ssl::context::tls_server);
        tls.use_certificate_chain_file(impl_->options.tls_cert);
        tls.use_private_key_file(impl_->options.tls_key, asio::ssl::context::pem);
    }
    impl_->options.port = impl_->open(impl_->acceptor, impl_->options.port);
    const auto control = impl_->open(impl_->control, impl_->options.control_port);
    impl_->look();
    return {.odoo = impl_->options.port, .control = control};
}

}  // namespace millrace::stand_ins
