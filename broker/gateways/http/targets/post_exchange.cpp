#include "broker/gateways/http/targets/post_exchange.hpp"

#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "broker/outbound/client_stream.hpp"
#include "storage/base/text/lower.hpp"

namespace millrace::broker::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;

constexpr unsigned post_http_version = 11;
constexpr std::uint64_t answer_bytes_max = std::uint64_t{64} * 1024;
/// The library has no limit of its own for what stands in and behind chunks, and fails on a field
/// beyond 64 KiB.
constexpr std::size_t answer_buffer_bytes_max = std::size_t{60} * 1024;
constexpr std::chrono::seconds connect_timeout{5};

class Exchange final : public PostExchange, public std::enable_shared_from_this<Exchange> {
  public:
    Exchange(asio::io_context& control, const WebhookTarget& target, PostDone done)
        : target_(target), stream_(control, target.peer), done_(std::move(done)) {}

    void start(PostRequest post) {
        request_.method(bhttp::verb::post);
        request_.target(target_.path);
        request_.version(post_http_version);
        request_.set(bhttp::field::host, target_.peer.authority());
        request_.set(bhttp::field::user_agent, "millrace");
        request_.set(bhttp::field::connection, "close");
        for (const auto& [name, value] : post.headers) {
            request_.set(name, value);
        }
        request_.body() = std::move(post.body);
        request_.prepare_payload();
        stream_.open(connect_timeout,
                     [self = shared_from_this()](const std::optional<OpenFault>& fault) {
                         fault ? self->end_unreachable(*fault) : self->write();
                     });
    }
    void stop() override {
        done_ = nullptr;
        stream_.close();
    }

  private:
    void write() {
        stream_.expires_after(target_.timeout);
        bhttp::async_write(
            stream_, request_, [self = shared_from_this()](beast::error_code, std::size_t) {
                // A target that refuses early answers before it has read all.
                self->read();
            });
    }
    void read() {
        parser_.emplace();
        parser_->body_limit(answer_bytes_max);
        bhttp::async_read(stream_,
                          buffer_,
                          *parser_,
                          [self = shared_from_this()](beast::error_code error, std::size_t) {
                              self->end_read(error);
                          });
    }
    void end_read(beast::error_code error) {
        // An answer whose body is too long, or cut off, has said what counts.
        if (error && !parser_->is_header_done()) {
            end_unknown(error);
            return;
        }
        auto& message = parser_->get();
        if (!error && message.result_int() / 100 == 1 &&
            message.result() != bhttp::status::switching_protocols) {
            // An interim answer; the one that counts comes within the same time.
            read();
            return;
        }
        PostAnswer answer;
        answer.status = message.result_int();
        for (const auto& field : message.base()) {
            const auto name = field.name_string();
            const auto value = field.value();
            answer.headers.emplace_back(ascii_lower({name.data(), name.size()}),
                                        std::string(value.data(), value.size()));
        }
        answer.body = std::move(message.body());
        end(std::move(answer));
    }
    void end_unreachable(const OpenFault& fault) {
        if (fault.is_configuration) {
            end_refused(fault.reason);
            return;
        }
        end({.kind = PostAnswer::Kind::unreachable,
             .error = "cannot reach " + target_.peer.place() + ": " + fault.reason});
    }
    void end_refused(std::string_view reason) {
        end({.kind = PostAnswer::Kind::refused,
             .error =
                 "cannot speak TLS with " + target_.peer.place() + ": " + std::string(reason)});
    }
    void end_unknown(beast::error_code error) {
        if (is_client_certificate_wanted(error)) {
            end_refused(client_certificate_wanted);
            return;
        }
        const auto data = buffer_.cdata();
        if (is_tls_alert(target_.peer, {static_cast<const char*>(data.data()), data.size()})) {
            end({.kind = PostAnswer::Kind::refused,
                 .error =
                     "cannot speak with " + target_.peer.place() + ": " + std::string(tls_spoken)});
            return;
        }
        end({.kind = PostAnswer::Kind::unknown,
             .error = error == beast::error::timeout
                          ? "no answer within timeout_ms; the post may have had its effect"
                          : "the connection ended before an answer (" + error.message() +
                                "); the post may have had its effect"});
    }
    void end(PostAnswer answer) {
        stream_.close();
        if (auto done = std::exchange(done_, nullptr)) {
            done(std::move(answer));
        }
    }

    const WebhookTarget& target_;
    ClientStream stream_;
    PostDone done_;
    bhttp::request<bhttp::string_body> request_;
    std::optional<bhttp::response_parser<bhttp::string_body>> parser_;
    beast::flat_buffer buffer_{answer_buffer_bytes_max};
};

}  // namespace

std::shared_ptr<PostExchange> start_post(asio::io_context& control,
                                         const WebhookTarget& target,
                                         PostRequest post,
                                         PostDone done) {
    auto exchange = std::make_shared<Exchange>(control, target, std::move(done));
    exchange->start(std::move(post));
    return exchange;
}

}  // namespace millrace::broker::http
