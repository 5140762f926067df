#include "broker/delivery/rules/circuit.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;

TEST(CircuitBreaker, ClosedLetsTheWholeWindowThrough) {
    CircuitBreaker circuit;
    EXPECT_EQ(circuit.state(), Circuit::closed);
    EXPECT_EQ(circuit.in_flight_max(64), 64U);
    EXPECT_FALSE(circuit.close(1));
    EXPECT_TRUE(circuit.changes().empty());
}

TEST(CircuitBreaker, OpenLetsNothingThroughAndHalfOpenOneProbe) {
    CircuitBreaker circuit;
    (void)circuit.trip(Cause::outage, "connection refused", 1);
    EXPECT_EQ(circuit.in_flight_max(64), 0U);
    EXPECT_EQ(circuit.reason(), "outage: connection refused");
    EXPECT_TRUE(circuit.allow_probe(2));
    EXPECT_EQ(circuit.state(), Circuit::half_open);
    EXPECT_EQ(circuit.in_flight_max(64), 1U);
}

TEST(CircuitBreaker, WaitsLongerEachTimeUpToItsLimit) {
    CircuitBreaker circuit;
    circuit.limit_probe_interval(5s);
    for (const auto expected : {1s, 2s, 4s, 5s, 5s}) {
        EXPECT_EQ(circuit.trip(Cause::outage, "out", 1), expected);
        circuit.allow_probe(2);
    }
}

TEST(CircuitBreaker, ALimitBelowASecondHoldsFromTheFirstWait) {
    CircuitBreaker circuit;
    circuit.limit_probe_interval(200ms);
    EXPECT_EQ(circuit.trip(Cause::outage, "out", 1), 200ms);
}

TEST(CircuitBreaker, ClosesWithTheFirstThatIsSettledAndForgetsTheWait) {
    CircuitBreaker circuit;
    (void)circuit.trip(Cause::outage, "out", 1);
    circuit.allow_probe(2);
    (void)circuit.trip(Cause::outage, "out", 3);
    circuit.allow_probe(4);
    EXPECT_TRUE(circuit.close(5));
    EXPECT_EQ(circuit.state(), Circuit::closed);
    EXPECT_TRUE(circuit.reason().empty());
    EXPECT_EQ(circuit.trip(Cause::outage, "again", 6), 1s);
}

TEST(CircuitBreaker, ProbeIsOnlyAllowedWhenOpen) {
    CircuitBreaker circuit;
    EXPECT_FALSE(circuit.allow_probe(1));
    EXPECT_EQ(circuit.state(), Circuit::closed);
}

TEST(CircuitBreaker, EveryChangeIsKeptWithTimeCauseAndReason) {
    CircuitBreaker circuit;
    (void)circuit.trip(Cause::authorization, "key expired", 10);
    circuit.allow_probe(20);
    circuit.close(30);
    ASSERT_EQ(circuit.changes().size(), 3U);
    const auto& opened = circuit.changes()[0];
    EXPECT_EQ(opened.time_us, 10);
    EXPECT_EQ(opened.from, Circuit::closed);
    EXPECT_EQ(opened.to, Circuit::open);
    EXPECT_EQ(opened.cause, Cause::authorization);
    EXPECT_EQ(opened.reason, "key expired");
    EXPECT_EQ(circuit.changes()[1].to, Circuit::half_open);
    EXPECT_EQ(circuit.changes()[2].from, Circuit::half_open);
    EXPECT_EQ(circuit.changes()[2].to, Circuit::closed);
}

TEST(CircuitBreaker, OnlyTheLastChangesAreKept) {
    CircuitBreaker circuit;
    for (UnixMicros round = 0; round < 50; ++round) {
        (void)circuit.trip(Cause::outage, "out", round);
        circuit.close(round);
    }
    EXPECT_EQ(circuit.changes().size(), CircuitBreaker::changes_max);
    EXPECT_EQ(circuit.changes().back().time_us, 49);
}

TEST(CircuitBreaker, ALongOutageDoesNotHideHowItBegan) {
    CircuitBreaker circuit;
    (void)circuit.trip(Cause::outage, "connection refused", 1);
    for (UnixMicros probe = 2; probe < 200; probe += 2) {
        circuit.allow_probe(probe);
        (void)circuit.trip(Cause::outage, "still refused", probe + 1);
    }
    ASSERT_EQ(circuit.changes().size(), CircuitBreaker::changes_max);
    EXPECT_EQ(circuit.changes().front().time_us, 1);
    EXPECT_EQ(circuit.changes().front().reason, "connection refused");
    EXPECT_EQ(circuit.changes().back().time_us, 199);
}

TEST(CircuitBreaker, OneThatWasOpenIsOpenAgainAndProbesSoon) {
    CircuitBreaker before;
    before.limit_probe_interval(60s);
    (void)before.trip(Cause::authorization, "key expired", 10);
    CircuitBreaker circuit;
    circuit.limit_probe_interval(60s);
    EXPECT_EQ(circuit.resume(before.changes()), 1s);
    EXPECT_EQ(circuit.state(), Circuit::open);
    EXPECT_EQ(circuit.reason(), "authorization: key expired");
    EXPECT_TRUE(circuit.allow_probe(20));
    EXPECT_EQ(circuit.trip(Cause::authorization, "key expired", 30), 2s);
    EXPECT_TRUE(circuit.allow_probe(40));
    EXPECT_TRUE(circuit.close(50));
    EXPECT_EQ(circuit.changes().front().time_us, 10);
    EXPECT_EQ(circuit.changes().back().cause, Cause::authorization);
}

TEST(CircuitBreaker, OneThatWasClosedStaysSoAndKnowsItsPast) {
    CircuitBreaker before;
    (void)before.trip(Cause::outage, "out", 10);
    before.close(20);
    CircuitBreaker circuit;
    EXPECT_EQ(circuit.resume(before.changes()), std::nullopt);
    EXPECT_EQ(circuit.state(), Circuit::closed);
    EXPECT_TRUE(circuit.reason().empty());
    EXPECT_EQ(circuit.changes().size(), 2U);
    EXPECT_EQ(CircuitBreaker().resume({}), std::nullopt);
}

}  // namespace
}  // namespace millrace::broker::delivery
