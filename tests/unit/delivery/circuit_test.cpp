#include "broker/delivery/rules/circuit.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;

TEST(CircuitBreaker, ClosedLetsTheWholeWindowThrough) {
    CircuitBreaker circuit;
    EXPECT_EQ(circuit.state(), Circuit::closed);
    EXPECT_EQ(circuit.in_flight_max(64), 64U);
    EXPECT_FALSE(circuit.close());
}

TEST(CircuitBreaker, OpenLetsNothingThroughAndHalfOpenOneProbe) {
    CircuitBreaker circuit;
    (void)circuit.trip("connection refused");
    EXPECT_EQ(circuit.in_flight_max(64), 0U);
    EXPECT_EQ(circuit.reason(), "connection refused");
    circuit.allow_probe();
    EXPECT_EQ(circuit.state(), Circuit::half_open);
    EXPECT_EQ(circuit.in_flight_max(64), 1U);
}

TEST(CircuitBreaker, WaitsLongerEachTimeUpToHalfAMinute) {
    CircuitBreaker circuit;
    for (const auto expected : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
        EXPECT_EQ(circuit.trip("out"), expected);
        circuit.allow_probe();
    }
}

TEST(CircuitBreaker, ClosesWithTheFirstThatIsSettledAndForgetsTheWait) {
    CircuitBreaker circuit;
    (void)circuit.trip("out");
    (void)circuit.trip("out");
    circuit.allow_probe();
    EXPECT_TRUE(circuit.close());
    EXPECT_EQ(circuit.state(), Circuit::closed);
    EXPECT_TRUE(circuit.reason().empty());
    EXPECT_EQ(circuit.trip("again"), 1s);
}

TEST(CircuitBreaker, ProbeIsOnlyAllowedWhenOpen) {
    CircuitBreaker circuit;
    circuit.allow_probe();
    EXPECT_EQ(circuit.state(), Circuit::closed);
}

}  // namespace
}  // namespace millrace::broker::delivery
