#include "client/src/connection.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_node.hpp"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

/// Longer than the connection's own look at its deadlines.
constexpr auto several_looks = 350ms;

std::vector<std::byte> frame_of(std::uint32_t correlation) {
    return wire::format_message({.api = 1, .correlation = correlation}, wire::HelloRequestT{});
}

/// Nobody listens on port 1 of loopback.
ClientOptions to_nobody() {
    return {.brokers = "127.0.0.1:1", .connect_timeout = 150ms};
}

TEST(Connection, RequestEndsWhenNoBrokerIsThere) {
    boost::asio::io_context context;
    Connection connection(context, to_nobody());
    std::string text;
    connection.request(frame_of, 10s, [&](const Result<const wire::FrameView*>& answer) {
        text = answer ? "answered" : answer.error().text;
        connection.close();
    });
    context.run_for(10s);
    EXPECT_NE(text.find("no broker at 127.0.0.1:1"), std::string::npos) << text;
    EXPECT_TRUE(context.stopped());
}

TEST(Connection, CloseEndsItsTimersAlsoThoseThatHadRunOut) {
    boost::asio::io_context context;
    Connection connection(context, to_nobody());
    boost::asio::steady_timer first(context, 1ms);
    first.async_wait([&](const auto&) { connection.close(); });
    connection.request(frame_of, 10s, [](const auto&) {});
    // Both timers run out before anybody looks: the connection's stands in the queue behind
    // `first`.
    std::this_thread::sleep_for(several_looks);
    context.run_for(5s);
    EXPECT_TRUE(context.stopped());
}

TEST(Connection, WhatWaitsEndsWithClose) {
    boost::asio::io_context context;
    Connection connection(context, to_nobody());
    int refused = 0;
    connection.request(frame_of, 10s, [&](const Result<const wire::FrameView*>& answer) {
        refused += !answer && answer.error().code == Errc::shutting_down ? 1 : 0;
    });
    connection.close();
    connection.request(frame_of, 10s, [&](const Result<const wire::FrameView*>& answer) {
        refused += !answer && answer.error().code == Errc::shutting_down ? 1 : 0;
    });
    EXPECT_EQ(refused, 2);
}

TEST(Connection, ABrokerThatDoesNotGreetGivesWayToTheNext) {
    using Tcp = boost::asio::ip::tcp;
    boost::asio::io_context context;
    const Tcp::acceptor silent(context, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    testing::ScriptedNode node;
    std::thread caller([&] {
        Client client{{.brokers = "127.0.0.1:" + std::to_string(silent.local_endpoint().port()) +
                                  "," + node.address(),
                       .connect_timeout = 4s}};
        EXPECT_TRUE(client.admin().list_topics({}).empty());
    });
    node.accept();
    EXPECT_TRUE(node.rest().empty());
    caller.join();
}

}  // namespace
}  // namespace millrace::client
