#include "broker/odoo/transport/http_exchange.hpp"

#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "broker/outbound/client_stream.hpp"

namespace millrace::broker::odoo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

/// One POST on a connection of its own.
class Exchange : public std::enable_shared_from_this<Exchange> {
  public:
    Exchange(asio::io_context& context, Peer peer, HttpLimits limits, HttpPoster::Done done)
        : stream_(context, std::move(peer)), limits_(limits), done_(std::move(done)) {}

    void start(HttpPost post) {
        request_.method(http::verb::post);
        request_.target(post.path);
        request_.version(11);
        request_.set(http::field::host, stream_.peer().authority());
        request_.set(http::field::content_type, "application/json");
        request_.set(http::field::connection, "close");
        for (const auto& [name, value] : post.headers) {
            request_.set(name, value);
        }
        request_.body() = std::move(post.body);
        request_.prepare_payload();
        stream_.open(limits_.connect_timeout,
                     [self = shared_from_this()](const std::optional<OpenFault>& fault) {
                         fault ? self->end_unreachable(*fault) : self->write();
                     });
    }
    void stop() {
        done_ = nullptr;
        stream_.close();
    }

  private:
    void write() {
        stream_.expires_after(limits_.call_timeout);
        http::async_write(
            stream_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
                if (error == beast::error::timeout) {
                    self->end_unknown(error);
                    return;
                }
                // What refuses early has answered before it has read all, or has said why in TLS.
                self->write_error_ = error;
                self->read();
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
    void end_unreachable(const OpenFault& fault) {
        end(Fault{.cause = fault.is_configuration ? Cause::configuration : Cause::outage,
                  .error = (fault.is_configuration ? "cannot speak TLS with Odoo at "
                                                   : "cannot reach Odoo at ") +
                           stream_.peer().place() + ": " + fault.reason});
    }
    /// Whether an end without an answer is the word of TLS that nothing was done.
    [[nodiscard]] std::optional<std::string> refusal(beast::error_code error) const {
        if (is_client_certificate_wanted(error)) {
            return std::string(client_certificate_wanted);
        }
        const auto data = buffer_.cdata();
        const std::string_view bytes(static_cast<const char*>(data.data()), data.size());
        const bool is_alert = !parser_.is_header_done() && is_tls_alert(stream_.peer(), bytes);
        return is_alert ? std::optional<std::string>(tls_spoken) : std::nullopt;
    }
    void end_unknown(beast::error_code error) {
        if (const auto why = refusal(error)) {
            end(Fault{
                .cause = Cause::configuration,
                .error = "cannot speak with Odoo at " + stream_.peer().place() + ": " + *why});
            return;
        }
        Fault fault{.cause = Cause::outcome_unknown};
        if (error == beast::error::timeout) {
            fault.error = "Odoo did not answer in time";
        } else if (error == http::error::body_limit) {
            fault.cause_of_read = Cause::mapping;
            fault.error = "Odoo's answer is above the limit answer_bytes_max of " +
                          std::to_string(limits_.answer_bytes_max);
        } else {
            const auto& first = write_error_ ? write_error_ : error;
            fault.error = "the connection ended before the answer (" + first.message() + ")";
        }
        fault.error += "; a call that writes may have had its effect";
        end(std::move(fault));
    }
    void end(HttpOutcome outcome) {
        stream_.close();
        if (auto done = std::exchange(done_, nullptr)) {
            done(std::move(outcome));
        }
    }

    ClientStream stream_;
    HttpLimits limits_;
    HttpPoster::Done done_;
    http::request<http::string_body> request_;
    http::response_parser<http::string_body> parser_;
    beast::error_code write_error_;  ///< what came first
    beast::flat_buffer buffer_;
};

}  // namespace

struct HttpPoster::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& io, Peer where, HttpLimits given)
        : context(io), peer(std::move(where)), limits(given) {}

    asio::io_context& context;
    Peer peer;
    HttpLimits limits;
    std::set<std::shared_ptr<Exchange>> exchanges;
};

HttpPoster::HttpPoster(asio::io_context& context, Peer peer, HttpLimits limits)
    : impl_(std::make_shared<Impl>(context, std::move(peer), limits)) {}

HttpPoster::~HttpPoster() {
    stop();
}

void HttpPoster::post(HttpPost post, Done done) {
    auto holder = std::make_shared<std::weak_ptr<Exchange>>();
    const auto exchange = std::make_shared<Exchange>(
        impl_->context,
        impl_->peer,
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
