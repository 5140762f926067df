#include "broker/odoo/json_rpc.hpp"

#include <set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

namespace millrace::broker::odoo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Json = nlohmann::json;
using Tcp = asio::ip::tcp;

std::string text_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// One POST on a connection of its own.
class Exchange : public std::enable_shared_from_this<Exchange> {
  public:
    Exchange(asio::io_context& context, const JsonRpcOptions& options, ReplyDone done)
        : resolver_(context), stream_(context), options_(options), done_(std::move(done)) {}

    void start(std::string body) {
        request_.method(http::verb::post);
        request_.target("/jsonrpc");
        request_.version(11);
        request_.set(http::field::host, options_.url.host);
        request_.set(http::field::content_type, "application/json");
        request_.set(http::field::connection, "close");
        request_.body() = std::move(body);
        request_.prepare_payload();
        resolver_.async_resolve(
            options_.url.host,
            options_.url.port,
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
        stream_.expires_after(options_.connect_timeout);
        stream_.async_connect(
            found, [self = shared_from_this()](beast::error_code error, const Tcp::endpoint&) {
                error ? self->end_unreachable(error) : self->write();
            });
    }
    void write() {
        stream_.expires_after(options_.call_timeout);
        http::async_write(
            stream_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
                error ? self->end_unknown(error) : self->read();
            });
    }
    void read() {
        parser_.body_limit(options_.answer_bytes_max);
        http::async_read(stream_,
                         buffer_,
                         parser_,
                         [self = shared_from_this()](beast::error_code error, std::size_t) {
                             error ? self->end_unknown(error) : self->end_answered();
                         });
    }
    void end_answered() {
        const auto& response = parser_.get();
        if (response.result() != http::status::ok) {
            end(classify_status(response.result_int(), response.body()));
        } else {
            end(parse_rpc_answer(response.body()));
        }
    }
    void end_unreachable(beast::error_code error) {
        end(Fault{.cause = Cause::outage,
                  .error = "cannot reach Odoo at " + options_.url.host + ":" + options_.url.port +
                           ": " + error.message()});
    }
    void end_unknown(beast::error_code error) {
        end(Fault{.cause = Cause::outcome_unknown,
                  .error = error == beast::error::timeout
                               ? "Odoo did not answer in time; the call may have had its effect"
                               : "the connection ended before the answer (" + error.message() +
                                     "); the call may have had its effect"});
    }
    void end(Reply reply) {
        beast::error_code ignored;
        stream_.socket().shutdown(Tcp::socket::shutdown_both, ignored);
        if (auto done = std::exchange(done_, nullptr)) {
            done(std::move(reply));
        }
    }

    Tcp::resolver resolver_;
    beast::tcp_stream stream_;
    const JsonRpcOptions& options_;
    ReplyDone done_;
    http::request<http::string_body> request_;
    http::response_parser<http::string_body> parser_;
    beast::flat_buffer buffer_;
};

}  // namespace

Reply parse_rpc_answer(std::string_view body) {
    const auto json = Json::parse(body, nullptr, false);
    if (!json.is_object()) {
        return Fault{.cause = Cause::configuration,
                     .error = "the answer is not JSON-RPC: is odoo_url the address of Odoo itself?",
                     .response = std::string(body.substr(0, response_bytes_max))};
    }
    const auto error = json.find("error");
    if (error == json.end()) {
        const auto result = json.find("result");
        return result == json.end() ? std::string("null") : result->dump();
    }
    const auto data = error->is_object() ? error->find("data") : error->end();
    if (!error->is_object() || data == error->end() || !data->is_object()) {
        return Fault{.cause = Cause::mapping,
                     .error = "Odoo refused the call without saying why",
                     .response = error->dump().substr(0, response_bytes_max)};
    }
    return classify_error(text_at(*data, "name"), text_at(*data, "message"));
}

struct JsonRpcTransport::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& io, JsonRpcOptions given) : context(io), options(std::move(given)) {}

    struct Waiting {
        Call call;
        ReplyDone done;
    };

    asio::io_context& context;
    JsonRpcOptions options;
    std::int64_t uid = 0;  ///< 0: not logged in
    bool is_logging_in = false;
    std::vector<Waiting> waiting;  ///< for the login
    std::set<std::shared_ptr<Exchange>> exchanges;
    std::uint64_t last_request = 0;

    void post(Json params, ReplyDone done);
    void log_in();
    void end_login(const Reply& reply);
    void execute(const Call& call, ReplyDone done);
};

void JsonRpcTransport::Impl::post(Json params, ReplyDone done) {
    const Json body{{"jsonrpc", "2.0"},
                    {"method", "call"},
                    {"id", ++last_request},
                    {"params", std::move(params)}};
    auto holder = std::make_shared<std::weak_ptr<Exchange>>();
    const auto exchange = std::make_shared<Exchange>(
        context, options, [self = weak_from_this(), holder, done = std::move(done)](Reply reply) {
            const auto impl = self.lock();
            if (!impl) {
                return;
            }
            const auto keep = holder->lock();
            impl->exchanges.erase(keep);
            done(std::move(reply));
        });
    *holder = exchange;
    exchanges.insert(exchange);
    exchange->start(body.dump());
}

void JsonRpcTransport::Impl::log_in() {
    if (std::exchange(is_logging_in, true)) {
        return;
    }
    const auto& login = options.login;
    post({{"service", "common"},
          {"method", "authenticate"},
          {"args", {login.database, login.login, login.key, Json::object()}}},
         [this](const Reply& reply) { end_login(reply); });
}

void JsonRpcTransport::Impl::end_login(const Reply& reply) {
    is_logging_in = false;
    Fault fault;
    if (const auto* const failed = std::get_if<Fault>(&reply)) {
        fault = *failed;
        if (fault.cause == Cause::outcome_unknown) {
            fault.cause = Cause::outage;  // nothing was asked for yet
        }
    } else {
        const auto json = Json::parse(std::get<std::string>(reply), nullptr, false);
        uid = json.is_number_integer() ? json.get<std::int64_t>() : 0;
        fault = {.cause = Cause::authorization,
                 .error = "Odoo refuses the login \"" + options.login.login + "\" to database \"" +
                          options.login.database + "\": check odoo_login and the key"};
    }
    for (auto& one : std::exchange(waiting, {})) {
        uid != 0 ? execute(one.call, std::move(one.done)) : one.done(fault);
    }
}

void JsonRpcTransport::Impl::execute(const Call& call, ReplyDone done) {
    const auto& login = options.login;
    post({{"service", "object"},
          {"method", "execute_kw"},
          {"args",
           {login.database,
            uid,
            login.key,
            call.model,
            call.method,
            Json::parse(call.positional),
            Json::parse(call.keyword)}}},
         [this, done = std::move(done)](Reply reply) {
             const auto* const fault = std::get_if<Fault>(&reply);
             if (fault != nullptr && fault->cause == Cause::authorization) {
                 uid = 0;  // the next call learns whether the login still stands
             }
             done(std::move(reply));
         });
}

JsonRpcTransport::JsonRpcTransport(asio::io_context& context, JsonRpcOptions options)
    : impl_(std::make_shared<Impl>(context, std::move(options))) {}

JsonRpcTransport::~JsonRpcTransport() {
    stop();
}

void JsonRpcTransport::call(const Call& call, ReplyDone done) {
    if (impl_->uid != 0) {
        impl_->execute(call, std::move(done));
        return;
    }
    impl_->waiting.push_back({.call = call, .done = std::move(done)});
    impl_->log_in();
}

void JsonRpcTransport::stop() {
    impl_->waiting.clear();
    for (const auto& exchange : std::exchange(impl_->exchanges, {})) {
        exchange->stop();
    }
}

}  // namespace millrace::broker::odoo
