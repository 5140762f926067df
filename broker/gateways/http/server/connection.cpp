#include "broker/gateways/http/server/connection.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "broker/gateways/http/server/problem.hpp"
#include "broker/gateways/http/server/request_message.hpp"

namespace millrace::broker::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;

constexpr std::size_t first_read_bytes = 4096;
/// Beyond the longest header, for what came with its end.
constexpr std::size_t read_ahead_bytes = 4096;
/// The library has no limit of its own for what stands in and behind chunks, and fails on a field
/// beyond 64 KiB.
constexpr std::size_t buffer_bytes_max = std::size_t{60} * 1024;
/// What a peer may still send after it was refused, so that it reads the answer instead of a reset.
constexpr std::size_t linger_bytes_max = std::size_t{64} << 20U;
constexpr std::chrono::seconds linger_time{2};
constexpr std::chrono::milliseconds cancel_interval{100};
constexpr unsigned http_1_1 = 11;

/// One connection: a request, its answer, the next request.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
  public:
    HttpConnection(std::shared_ptr<ConnectionWorld> world, Tcp::socket socket, Welcome welcome)
        : world_(std::move(world)),
          socket_(std::move(socket)),
          timer_(socket_.get_executor()),
          welcome_(welcome),
          buffer_(std::min(world_->limits.header_bytes_max + read_ahead_bytes, buffer_bytes_max)) {
        ++world_->open;
        world_->metrics.connections.set(static_cast<std::int64_t>(world_->open));
        Code ignored;
        socket_.set_option(Tcp::no_delay(true), ignored);
        const auto peer = socket_.remote_endpoint(ignored);
        peer_ = peer.address().to_string(ignored) + ":" + std::to_string(peer.port());
    }
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;
    HttpConnection(HttpConnection&&) = delete;
    HttpConnection& operator=(HttpConnection&&) = delete;
    ~HttpConnection() {
        give_back();
        --world_->open;
        world_->metrics.connections.set(static_cast<std::int64_t>(world_->open));
    }

    void wait_for_request() {
        is_late_ = false;
        if (buffer_.size() > 0) {
            read_header();
            return;
        }
        limit_time(world_->limits.idle_timeout);
        socket_.async_read_some(buffer_.prepare(first_read_bytes),
                                [self = shared_from_this()](Code error, std::size_t bytes) {
                                    if (error || self->is_late_) {
                                        self->count_if_late(idle_limit);
                                        return;
                                    }
                                    self->buffer_.commit(bytes);
                                    self->read_header();
                                });
    }

  private:
    using Strings = bhttp::string_body;

    /// Ends the operation under way when it takes longer.
    void limit_time(std::chrono::milliseconds time) { end_after(time, ++timer_round_); }
    void end_after(std::chrono::milliseconds time, std::uint64_t round) {
        timer_.expires_after(time);
        timer_.async_wait([weak = weak_from_this(), round](Code error) {
            const auto self = weak.lock();
            if (error || !self || self->timer_round_ != round) {
                return;
            }
            self->is_late_ = true;
            Code ignored;
            self->socket_.cancel(ignored);
            // A step that has ended already is not cancelled, and the next one would have no limit.
            self->end_after(cancel_interval, round);
        });
    }
    void stop_timer() {
        ++timer_round_;
        timer_.cancel();
    }
    void count_if_late(std::string_view limit) {
        stop_timer();
        if (is_late_) {
            world_->metrics.reached(limit).add();
        }
    }

    void read_header() {
        parser_.emplace();
        version_ = http_1_1;
        is_head_ = false;
        parser_->header_limit(world_->limits.header_bytes_max);
        parser_->body_limit(world_->limits.body_bytes_max);
        limit_time(world_->limits.request_timeout);
        bhttp::async_read_header(
            socket_, buffer_, *parser_, [self = shared_from_this()](Code error, std::size_t) {
                self->end_read(error, [&] { self->take_header(); });
            });
    }

    template <class Next>
    void end_read(Code error, Next next) {
        if (is_late_) {
            count_if_late(request_time_limit);
            refuse(
                408,
                fail(Errc::timed_out, "the request did not arrive within http_request_timeout_ms"));
        } else if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
            refuse_limit(431, Errc::frame_too_large, header_limit, world_->limits.header_bytes_max);
        } else if (error == bhttp::error::body_limit) {
            refuse_limit(413, Errc::frame_too_large, body_limit, world_->limits.body_bytes_max);
        } else if (error.category() == make_error_code(bhttp::error::bad_target).category() &&
                   error != bhttp::error::end_of_stream && error != bhttp::error::partial_message) {
            world_->metrics.malformed.add();
            refuse(400, fail(Errc::malformed, "this is no HTTP request: " + error.message()));
        } else if (!error) {
            next();
        }
    }
    void refuse_limit(unsigned status, Errc code, std::string_view limit, std::uint64_t value) {
        world_->metrics.reached(limit).add();
        refuse(status,
               fail(code,
                    "the request is larger than " + std::string(limit) + " (" +
                        std::to_string(value) + ")"));
    }

    void take_header() {
        if (welcome_ == Welcome::turn_away) {
            refuse(503,
                   fail(Errc::limit_reached,
                        "http_connections_max (" + std::to_string(world_->limits.connections_max) +
                            ") is reached"));
            return;
        }
        const auto length = parser_->content_length();
        const auto wanted = length               ? *length
                            : parser_->chunked() ? world_->limits.body_bytes_max
                                                 : 0;
        if (world_->body_bytes + wanted > world_->limits.bodies_bytes_max) {
            world_->metrics.reached(bodies_limit).add();
            refuse(
                503,
                fail(Errc::limit_reached,
                     "http_bodies_bytes_max (" + std::to_string(world_->limits.bodies_bytes_max) +
                         ") is reached: other requests are under way"));
            return;
        }
        promised_ = wanted;
        world_->body_bytes += wanted;
        world_->metrics.body_bytes.set(static_cast<std::int64_t>(world_->body_bytes));
        if (beast::iequals(parser_->get()[bhttp::field::expect], "100-continue") && wanted > 0) {
            write_continue();
        } else {
            read_body();
        }
    }
    void write_continue() {
        // The line that HTTP defines; a whole message of the library would say more.
        static constexpr std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
        asio::async_write(
            socket_, asio::buffer(line), [self = shared_from_this()](Code error, std::size_t) {
                self->end_read(error, [&] { self->read_body(); });
            });
    }
    void read_body() {
        bhttp::async_read(
            socket_, buffer_, *parser_, [self = shared_from_this()](Code error, std::size_t) {
                self->end_read(error, [&] { self->handle(); });
            });
    }

    void handle() {
        stop_timer();
        world_->metrics.requests.add();
        auto message = parser_->release();
        keeps_ = message.keep_alive() && !world_->is_stopping;
        is_head_ = message.method() == bhttp::verb::head;
        version_ = message.version();
        auto request = request_of(std::move(message), peer_);
        world_->handler(std::move(request), [self = shared_from_this()](Response response) {
            self->answer(std::move(response));
        });
    }

    /// The peer's bytes can't be trusted to end where the next request begins.
    void refuse(unsigned status, const Error& error) {
        keeps_ = false;
        is_refusal_ = true;
        is_late_ = false;
        answer(problem(status, error));
    }

    void answer(Response response) {
        head_ = {};
        head_.version(version_);
        head_.result(response.status);
        head_.set(bhttp::field::server, "millrace");
        if (!response.content_type.empty()) {
            head_.set(bhttp::field::content_type, response.content_type);
        }
        for (const auto& [name, value] : response.headers) {
            head_.set(name, value);
        }
        if (response.source != nullptr && !is_head_) {
            start_stream(std::move(response.source));
            return;
        }
        head_.keep_alive(keeps_);
        if (response.status != 204) {
            head_.content_length(response.body.size());
        }
        head_.body() = is_head_ ? std::string() : std::move(response.body);
        serializer_.emplace(head_);
        limit_time(world_->limits.write_timeout);
        if (is_head_) {
            bhttp::async_write_header(
                socket_, *serializer_, [self = shared_from_this()](Code error, std::size_t) {
                    self->end_answer(error);
                });
            return;
        }
        bhttp::async_write(
            socket_, *serializer_, [self = shared_from_this()](Code error, std::size_t) {
                self->end_answer(error);
            });
    }
    void end_answer(Code error) {
        give_back();
        if (error || is_late_) {
            count_if_late(write_limit);
            return;
        }
        stop_timer();
        if (keeps_) {
            wait_for_request();
        } else {
            linger();
        }
    }

    /// Streams end with their connection, so that a byte or an end from the peer ends them.
    void start_stream(std::shared_ptr<BodySource> source) {
        give_back();
        source_ = std::move(source);
        is_chunked_ = version_ == http_1_1;
        keeps_ = false;
        head_.keep_alive(false);
        head_.chunked(is_chunked_);
        serializer_.emplace(head_);
        limit_time(world_->limits.write_timeout);
        bhttp::async_write_header(
            socket_, *serializer_, [self = shared_from_this()](Code error, std::size_t) {
                self->watch_peer();
                self->end_piece(error);
            });
    }
    void watch_peer() {
        socket_.async_read_some(asio::buffer(watched_),
                                [self = shared_from_this()](Code, std::size_t) {
                                    if (self->source_ != nullptr) {
                                        self->count_if_late(write_limit);
                                        self->end_stream();
                                    }
                                });
    }
    void end_stream() {
        stop_timer();
        if (const auto source = std::exchange(source_, nullptr)) {
            source->stop();
        }
        Code ignored;
        socket_.cancel(ignored);
        socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    }
    void next_piece() {
        // What is being watched keeps the connection; the source must not, for it is the
        // connection's.
        source_->next([weak = weak_from_this()](std::optional<std::string> piece) {
            if (const auto self = weak.lock()) {
                self->write_piece(std::move(piece));
            }
        });
    }
    void write_piece(std::optional<std::string> piece) {
        if (source_ == nullptr) {
            return;
        }
        limit_time(world_->limits.write_timeout);
        const bool is_last = !piece;
        piece_ = std::move(piece).value_or("");
        const auto done = [self = shared_from_this(), is_last](Code error, std::size_t) {
            is_last ? self->end_stream() : self->end_piece(error);
        };
        if (is_last && !is_chunked_) {
            done({}, 0);
        } else if (is_last) {
            asio::async_write(socket_, bhttp::make_chunk_last(), done);
        } else if (is_chunked_) {
            asio::async_write(socket_, bhttp::make_chunk(asio::buffer(piece_)), done);
        } else {
            asio::async_write(socket_, asio::buffer(piece_), done);
        }
    }
    void end_piece(Code error) {
        if (source_ == nullptr) {
            return;
        }
        if (error || is_late_) {
            count_if_late(write_limit);
            end_stream();
            return;
        }
        stop_timer();
        next_piece();
    }

    /// Takes what a refused peer still sends, so that it sees the answer.
    void linger() {
        Code ignored;
        socket_.shutdown(Tcp::socket::shutdown_send, ignored);
        if (!is_refusal_) {
            return;
        }
        buffer_.clear();
        limit_time(linger_time);
        discard(0);
    }
    void discard(std::size_t bytes) {
        if (bytes > linger_bytes_max) {
            return;
        }
        socket_.async_read_some(buffer_.prepare(buffer_.max_size()),
                                [self = shared_from_this(), bytes](Code error, std::size_t more) {
                                    if (!error && !self->is_late_) {
                                        self->discard(bytes + more);
                                    }
                                });
    }

    void give_back() {
        world_->body_bytes -= std::exchange(promised_, 0);
        world_->metrics.body_bytes.set(static_cast<std::int64_t>(world_->body_bytes));
    }

    std::shared_ptr<ConnectionWorld> world_;
    Tcp::socket socket_;
    asio::steady_timer timer_;
    Welcome welcome_;
    std::string peer_;
    beast::flat_buffer buffer_;
    std::optional<bhttp::request_parser<Strings>> parser_;
    bhttp::response<Strings> head_;
    std::optional<bhttp::response_serializer<Strings>> serializer_;
    std::shared_ptr<BodySource> source_;
    std::string piece_;
    std::array<char, 1> watched_{};
    std::uint64_t promised_ = 0;
    std::uint64_t timer_round_ = 0;
    unsigned version_ = http_1_1;
    bool is_late_ = false;
    bool keeps_ = false;
    bool is_head_ = false;
    bool is_chunked_ = false;
    bool is_refusal_ = false;
};

}  // namespace

void serve_connection(std::shared_ptr<ConnectionWorld> world, Tcp::socket socket, Welcome welcome) {
    std::make_shared<HttpConnection>(std::move(world), std::move(socket), welcome)
        ->wait_for_request();
}

}  // namespace millrace::broker::http
