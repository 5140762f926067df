#include <deque>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

namespace millrace::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;
using Tcp = asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t milliseconds_a_second = 1'000;
constexpr std::uint64_t nanoseconds_a_second = 1'000'000'000;
constexpr std::string_view placeholder = "{record}";

/// One thread paces and serves all connections: what it measures includes no hand-over.
class HttpLoop {
  public:
    explicit HttpLoop(const HttpLoad& load)
        : load_(load),
          wake_(context_, SteadyTime::max()),
          endpoints_(Tcp::resolver(context_).resolve(load.host, load.port)) {}

    HttpFigures run() {
        for (std::uint32_t number = 0; number < load_.connections; ++number) {
            spawn(serve());
        }
        spawn(pace());
        context_.run();
        return std::move(figures_);
    }

  private:
    struct Post {
        std::uint64_t number = 0;
        SteadyTime due;
    };

    void spawn(asio::awaitable<void> task) {
        asio::co_spawn(context_, std::move(task), [](const std::exception_ptr& error) {
            if (error) {
                std::rethrow_exception(error);
            }
        });
    }

    asio::awaitable<void> pace() {
        const auto begin = SteadyClock::now();
        measured_from_ = begin + load_.warm_up;
        const auto whole = static_cast<std::uint64_t>((load_.warm_up + load_.duration).count());
        const auto posts = whole * load_.rate / milliseconds_a_second;
        asio::steady_timer timer(context_);
        for (std::uint64_t number = 0; number < posts; ++number) {
            const auto due =
                begin + std::chrono::nanoseconds(number * nanoseconds_a_second / load_.rate);
            timer.expires_at(due);
            co_await timer.async_wait(as_result);
            posts_.push_back({.number = number, .due = due});
            ++figures_.requests;
            wake_.cancel_one();
        }
        is_over_ = true;
        wake_.cancel();
    }

    /// Serves one connection, and opens it again when it has ended.
    asio::awaitable<void> serve() {
        beast::tcp_stream stream(context_);
        while (!posts_.empty() || !is_over_) {
            if (posts_.empty()) {
                co_await wake_.async_wait(as_result);
                continue;
            }
            const auto post = posts_.front();
            posts_.pop_front();
            auto failure = co_await exchange(stream, post);
            if (!failure.empty()) {
                ++figures_.failed;
                figures_.failure = std::move(failure);
            } else if (post.due >= measured_from_) {
                figures_.latency.add(micros_between(post.due, SteadyClock::now()));
            }
        }
    }

    /// Why it failed; empty when it did not.
    asio::awaitable<std::string> exchange(beast::tcp_stream& stream, Post post) {
        stream.expires_after(load_.answer_timeout);
        if (!stream.socket().is_open()) {
            const auto [error, endpoint] = co_await stream.async_connect(endpoints_, as_result);
            if (error) {
                stream.close();
                co_return "connect: " + error.message();
            }
            stream.socket().set_option(Tcp::no_delay(true));
        }
        const auto request = request_of(post.number);
        const auto [unsent, sent] = co_await http::async_write(stream, request, as_result);
        if (unsent) {
            stream.close();
            co_return "write: " + unsent.message();
        }
        beast::flat_buffer buffer;
        http::response<http::string_body> answer;
        const auto [unread, read] = co_await http::async_read(stream, buffer, answer, as_result);
        if (unread || !answer.keep_alive()) {
            stream.close();
        }
        const bool is_good =
            http::to_status_class(answer.result()) == http::status_class::successful;
        co_return unread ? "read: " + unread.message()
        : is_good        ? std::string()
                         : std::to_string(answer.result_int()) + " " + answer.body();
    }

    [[nodiscard]] http::request<http::string_body> request_of(std::uint64_t number) const {
        http::request<http::string_body> request(http::verb::post, load_.path, 11);
        request.set(http::field::host, load_.host);
        request.set(http::field::content_type, "application/json");
        for (const auto& [name, value] : load_.headers) {
            request.set(name, value);
        }
        request.keep_alive(load_.keeps_connections);
        request.body() = load_.body;
        const auto record = std::to_string(load_.first_record + number / load_.repeats);
        for (auto at = request.body().find(placeholder); at != std::string::npos;
             at = request.body().find(placeholder, at + record.size())) {
            request.body().replace(at, placeholder.size(), record);
        }
        request.prepare_payload();
        return request;
    }

    const HttpLoad& load_;
    asio::io_context context_{1};
    asio::steady_timer wake_;
    Tcp::resolver::results_type endpoints_;
    std::deque<Post> posts_;  ///< due, and not taken by a connection
    bool is_over_ = false;
    SteadyTime measured_from_;
    HttpFigures figures_;
};

}  // namespace

HttpFigures run_http(const HttpLoad& load) {
    return HttpLoop(load).run();
}

}  // namespace millrace::bench
