#include "broker/odoo/transport/http_exchange.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Tcp = boost::asio::ip::tcp;

/// A server for one request, which it reads in part and answers with `answer`.
class HttpExchange : public testing::Test {
  protected:
    enum class Then : std::uint8_t { closes, is_silent };

    HttpOutcome post(HttpLimits limits, const std::string& answer, Then then) {
        acceptor.async_accept(peer, [&](boost::system::error_code error) {
            ASSERT_FALSE(error) << error.message();
            peer.async_read_some(boost::asio::buffer(seen),
                                 [&](boost::system::error_code failed, std::size_t) {
                                     ASSERT_FALSE(failed) << failed.message();
                                     boost::asio::write(peer, boost::asio::buffer(answer));
                                     finish(then);
                                 });
        });
        HttpPoster poster(
            context,
            {.host = "127.0.0.1", .port = std::to_string(acceptor.local_endpoint().port())},
            limits);
        std::optional<HttpOutcome> outcome;
        poster.post({.path = "/jsonrpc", .headers = {}, .body = "{}"},
                    [&](HttpOutcome done) { outcome = std::move(done); });
        context.run();
        EXPECT_TRUE(outcome);
        return outcome.value_or(Fault{});
    }

    void finish(Then then) {
        if (then == Then::closes) {
            peer.close();
        }
    }

    boost::asio::io_context context;
    Tcp::acceptor acceptor{context, {boost::asio::ip::address_v4::loopback(), 0}};
    Tcp::socket peer{context};
    std::array<char, 4096> seen{};
};

std::string answer_of(std::size_t bytes) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
           std::string(bytes, 'x');
}

TEST_F(HttpExchange, AnAnswerMayBeAsLargeAsTheLimit) {
    const auto outcome = post({.answer_bytes_max = 100}, answer_of(100), Then::closes);
    ASSERT_TRUE(std::holds_alternative<HttpAnswered>(outcome)) << std::get<Fault>(outcome).error;
    EXPECT_EQ(std::get<HttpAnswered>(outcome).body.size(), 100U);
}

TEST_F(HttpExchange, AnAnswerAboveTheLimitIsTheFaultOfWhatWasAsked) {
    const auto fault =
        std::get<Fault>(post({.answer_bytes_max = 100}, answer_of(101), Then::closes));
    EXPECT_EQ(fault.cause, Cause::outcome_unknown) << "a write may have been done";
    EXPECT_EQ(fault.cause_of_read, Cause::mapping);
    EXPECT_THAT(fault.error, HasSubstr("limit answer_bytes_max of 100"));
}

TEST_F(HttpExchange, NoAnswerInTimeIsAnOutageOfARead) {
    const auto fault = std::get<Fault>(post({.call_timeout = 100ms}, "", Then::is_silent));
    EXPECT_EQ(fault.cause, Cause::outcome_unknown);
    EXPECT_EQ(fault.cause_of_read, Cause::outage);
    EXPECT_THAT(fault.error, HasSubstr("in time"));
}

TEST_F(HttpExchange, ALostConnectionIsAnOutageOfARead) {
    const auto fault = std::get<Fault>(post({}, "HTTP/1.1 200 OK\r\n", Then::closes));
    EXPECT_EQ(fault.cause, Cause::outcome_unknown);
    EXPECT_EQ(fault.cause_of_read, Cause::outage);
    EXPECT_THAT(fault.error, HasSubstr("connection ended"));
}

}  // namespace
}  // namespace millrace::broker::odoo
