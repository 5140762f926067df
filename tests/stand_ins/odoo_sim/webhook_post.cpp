#include "tests/stand_ins/odoo_sim/webhook_post.hpp"

#include <chrono>
#include <regex>

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

}  // namespace

void post_webhook(const std::string& url, const std::string& body) {
    static const std::regex shape(R"(http://([0-9.]+):(\d+)(/.*))");
    std::smatch parts;
    if (!std::regex_match(url, parts, shape)) {
        return;
    }
    beast::error_code error;
    const auto address = asio::ip::make_address(parts[1].str(), error);
    if (error) {
        return;
    }
    http::request<http::string_body> request(http::verb::post, parts[3].str(), 11);
    request.set(http::field::host, parts[1].str());
    request.set(http::field::content_type, "application/json");
    request.set(http::field::connection, "close");
    request.body() = body;
    request.prepare_payload();

    asio::io_context context(1);
    beast::tcp_stream stream(context);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    stream.expires_after(post_timeout);
    const Tcp::endpoint endpoint(address, static_cast<std::uint16_t>(std::stoul(parts[2].str())));
    const auto ignore = [](beast::error_code, std::size_t) {};
    const auto read = [&](beast::error_code written, std::size_t) {
        if (!written) {
            http::async_read(stream, buffer, response, ignore);
        }
    };
    stream.async_connect(endpoint, [&](beast::error_code connected) {
        if (!connected) {
            http::async_write(stream, request, read);
        }
    });
    context.run();
}

}  // namespace millrace::stand_ins
