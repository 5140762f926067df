#include "broker/odoo/transport/http_exchange.hpp"

#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace millrace::broker::odoo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

/// One POST on a connection of its own.
class Exchange : public std::enable_shared_from_this<Exchange> {
  public:
    Exchange(asio::io_context& context, OdooUrl url, HttpLimits limits, HttpPoster::Done done)
        : resolver_(context),
          stream_(context),
          url_(std::move(url)),
          limits_(limits),
          done_(std::move(done)) {}

    void start(HttpPost post) {
        request_.method(http::verb::post);
        request_.target(post.path);
        request_.version(11);
        request_.set(http::field::host, url_.host);
        request_.set(http::field::content_type, "application/json");
        request_.set(http::field::connection, "close");
        for (const auto& [name, value] : post.headers) {
            request_.set(name, value);
        }
        request_.body() = std::move(post.body);
        request_.prepare_payload();
        resolver_.async_resolve(
            url_.host,
            url_.port,
            [self = shared_from_this()](beast::error_code error, const auto& found) {
                error ? self->end_unreachable(error) : self->connect(found);
            });
    }
    void stop() {
        done_ = nullptr;
        resolver_.cancel();
        stream_.close();
    }

  private:
    void connect(const Tcp::resolver::results_type& found) {
        stream_.expires_after(limits_.connect_timeout);
        stream_.async_connect(
            found, [self = shared_from_this()](beast::error_code error, const Tcp::endpoint&) {
                error ? self->end_unreachable(error) : self->write();
            });
    }
    void write() {
        stream_.expires_after(limits_.call_timeout);
        http::async_write(
            stream_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
                error ? self->end_unknown(error) : self->read();
            });
    }
    void read() {
        parser_.body_limit(limits_.answer_bytes_max);
        http::async_read(stream_,
                         buffer_,
                         parser_,
                         [self = shared_from_this()](beast::error_code error, std::size_t) {
                             error ? self->end_unknown(error) : self->end_answered();
                         });
    }
    void end_answered() {
        auto& response = parser_.get();
        end(HttpAnswered{.status = response.result_int(), .body = std::move(response.body())});
    }
    void end_unreachable(beast::error_code error) {
        end(Fault{.cause = Cause::outage,
                  .error = "cannot reach Odoo at " + url_.host + ":" + url_.port + ": " +
                           error.message()});
    }
    void end_unknown(beast::error_code error) {
        Fault fault{.cause = Cause::outcome_unknown};
        if (error == beast::error::timeout) {
            fault.error = "Odoo did not answer in time";
        } else if (error == http::error::body_limit) {
            fault.cause_of_read = Cause::mapping;
            fault.error = "Odoo's answer is above the limit answer_bytes_max of " +
                          std::to_string(limits_.answer_bytes_max);
        } else {
            fault.error = "the connection ended before the answer (" + error.message() + ")";
        }
        fault.error += "; a call that writes may have had its effect";
        end(std::move(fault));
    }
    void end(HttpOutcome outcome) {
        beast::error_code ignored;
        stream_.socket().shutdown(Tcp::socket::shutdown_both, ignored);
        if (auto done = std::exchange(done_, nullptr)) {
            done(std::move(outcome));
        }
    }

    Tcp::resolver resolver_;
    beast::tcp_stream stream_;
    OdooUrl url_;
    HttpLimits limits_;
    HttpPoster::Done done_;
    http::request<http::string_body> request_;
    http::response_parser<http::string_body> parser_;
    beast::flat_buffer buffer_;
};

}  // namespace

struct HttpPoster::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& io, OdooUrl where, HttpLimits given)
        : context(io), url(std::move(where)), limits(given) {}

    asio::io_context& context;
    OdooUrl url;
    HttpLimits limits;
    std::set<std::shared_ptr<Exchange>> exchanges;
};

HttpPoster::HttpPoster(asio::io_context& context, OdooUrl url, HttpLimits limits)
    : impl_(std::make_shared<Impl>(context, std::move(url), limits)) {}

HttpPoster::~HttpPoster() {
    stop();
}

void HttpPoster::post(HttpPost post, Done done) {
    auto holder = std::make_shared<std::weak_ptr<Exchange>>();
    const auto exchange = std::make_shared<Exchange>(
        impl_->context,
        impl_->url,
        impl_->limits,
        [self = impl_->weak_from_this(), holder, done = std::move(done)](HttpOutcome outcome) {
            if (const auto impl = self.lock()) {
                const auto keep = holder->lock();
                impl->exchanges.erase(keep);
                done(std::move(outcome));
            }
        });
    *holder = exchange;
    impl_->exchanges.insert(exchange);
    exchange->start(std::move(post));
}

void HttpPoster::stop() {
    for (const auto& exchange : std::exchange(impl_->exchanges, {})) {
        exchange->stop();
    }
}

}  // namespace millrace::broker::odoo
