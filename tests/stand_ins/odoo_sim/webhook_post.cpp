#include "tests/stand_ins/odoo_sim/webhook_post.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <regex>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace millrace::stand_ins {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::chrono::seconds post_timeout{1};

/// The posts of one transaction.
class Posting : public std::enable_shared_from_this<Posting> {
  public:
    Posting(asio::io_context& context, std::deque<WebhookPost> posts, std::function<void()> done)
        : context_(context), posts_(std::move(posts)), done_(std::move(done)) {}

    void next() {
        std::optional<Tcp::endpoint> endpoint;
        while (!posts_.empty() && !endpoint) {
            endpoint = prepare(posts_.front());
            posts_.pop_front();
        }
        if (!endpoint) {
            done_();
            return;
        }
        buffer_.clear();
        response_ = {};
        stream_.emplace(context_);
        stream_->expires_after(post_timeout);
        stream_->async_connect(*endpoint, [self = shared_from_this()](beast::error_code error) {
            error ? self->next() : self->write();
        });
    }

  private:
    /// Nothing for an address of another form.
    std::optional<Tcp::endpoint> prepare(const WebhookPost& post) {
        static const std::regex shape(R"(http://([0-9.]+):(\d+)(/.*))");
        std::smatch parts;
        if (!std::regex_match(post.url, parts, shape)) {
            return std::nullopt;
        }
        beast::error_code error;
        const auto address = asio::ip::make_address(parts[1].str(), error);
        if (error) {
            return std::nullopt;
        }
        request_ = {http::verb::post, parts[3].str(), 11};
        request_.set(http::field::host, parts[1].str());
        request_.set(http::field::content_type, "application/json");
        request_.set(http::field::connection, "close");
        request_.body() = post.body;
        request_.prepare_payload();
        return Tcp::endpoint(address, static_cast<std::uint16_t>(std::stoul(parts[2].str())));
    }
    void write() {
        http::async_write(
            *stream_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
                error ? self->next() : self->read();
            });
    }
    void read() {
        http::async_read(
            *stream_,
            buffer_,
            response_,
            [self = shared_from_this()](beast::error_code, std::size_t) { self->next(); });
    }

    asio::io_context& context_;
    std::deque<WebhookPost> posts_;
    std::function<void()> done_;
    std::optional<beast::tcp_stream> stream_;
    beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
};

}  // namespace

void post_webhooks(asio::io_context& context,
                   std::deque<WebhookPost> posts,
                   std::function<void()> done) {
    if (posts.empty()) {
        done();
        return;
    }
    std::make_shared<Posting>(context, std::move(posts), std::move(done))->next();
}

}  // namespace millrace::stand_ins
