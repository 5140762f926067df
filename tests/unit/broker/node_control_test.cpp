#include "broker/node_control.hpp"

#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
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

}  // namespace
}  // namespace millrace::broker
