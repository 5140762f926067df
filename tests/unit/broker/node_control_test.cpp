#include "broker/node_control.hpp"

#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(NodeControl, AHandlerThatThrowsEndsAloneAndIsCounted) {
    boost::asio::io_context control;
    MetricsRegistry metrics;
    int ran = 0;
    boost::asio::post(control, [] { throw std::length_error("field value too large"); });
    boost::asio::post(control, [&ran] { ++ran; });
    boost::asio::post(control, [] { throw std::runtime_error("again"); });
    boost::asio::post(control, [&ran] { ++ran; });
    run_control(control, metrics);
    EXPECT_EQ(ran, 2);
    EXPECT_EQ(metrics.counter("millrace_control_exceptions_total", "").value(), 2U);
}

TEST(NodeControl, StopsWhenItIsStopped) {
    boost::asio::io_context control;
    MetricsRegistry metrics;
    const auto work = boost::asio::make_work_guard(control);
    boost::asio::post(control, [&control] {
        control.stop();
        throw std::runtime_error("while it stops");
    });
    run_control(control, metrics);
    EXPECT_TRUE(control.stopped());
}

/// What a node does: its own set hears signals while it lives.
struct NodeSignals {
    boost::asio::io_context control{1};
    boost::asio::signal_set signals{control, SIGTERM, SIGINT};
};

TEST(StopSignals, ASignalBetweenTwoNodesIsNoticed) {
    StopSignals stop_signals;
    std::optional<NodeSignals> node(std::in_place);
    EXPECT_FALSE(stop_signals.wait(std::chrono::milliseconds(0)));
    node.reset();
    ASSERT_EQ(std::raise(SIGTERM), 0);
    EXPECT_TRUE(stop_signals.wait(std::chrono::milliseconds(10'000)));
    EXPECT_TRUE(stop_signals.wait(std::chrono::milliseconds(0))) << "and stays";
}

TEST(StopSignals, ASignalThatANodeHeardCountsAfterIt) {
    StopSignals stop_signals;
    {
        NodeSignals node;
        node.signals.async_wait([&node](const auto&, int) { node.control.stop(); });
        ASSERT_EQ(std::raise(SIGINT), 0);
        node.control.run();
    }
    EXPECT_TRUE(stop_signals.wait(std::chrono::milliseconds(10'000)));
}

}  // namespace
}  // namespace millrace::broker
