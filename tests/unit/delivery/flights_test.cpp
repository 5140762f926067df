#include "broker/delivery/flight/flights.hpp"

#include <gmock/gmock.h>

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

constexpr SteadyTime begin{};

Flights::Flight flight_until(SteadyTime deadline, SessionId session = 1) {
    Flights::Flight flight;
    flight.session = session;
    flight.deadline = deadline;
    return flight;
}

TEST(Flights, ThoseWhoseDeadlineIsOverAreLate) {
    Flights flights;
    flights.add(1, flight_until(begin + 20ms));
    flights.add(2, flight_until(begin + 10ms));
    flights.add(3, flight_until(begin + 20ms));
    EXPECT_EQ(flights.next_deadline(), begin + 10ms);
    EXPECT_THAT(flights.late(begin + 9ms), IsEmpty());
    EXPECT_THAT(flights.late(begin + 10ms), ElementsAre(2));
    EXPECT_THAT(flights.late(begin + 20ms), ElementsAre(2, 1, 3));
}

TEST(Flights, WhatWasTakenHasNoDeadlineAnyMore) {
    Flights flights;
    flights.add(1, flight_until(begin + 10ms));
    flights.add(2, flight_until(begin + 20ms));
    EXPECT_TRUE(flights.take(1));
    EXPECT_FALSE(flights.take(1));
    EXPECT_EQ(flights.next_deadline(), begin + 20ms);
    EXPECT_THAT(flights.late(begin + 20ms), ElementsAre(2));
    EXPECT_TRUE(flights.take(2));
    EXPECT_EQ(flights.next_deadline(), std::nullopt);
    EXPECT_EQ(flights.size(), 0U);
}

TEST(Flights, OneThatIsExtendedIsLateOnceAndLater) {
    Flights flights;
    flights.add(1, flight_until(begin + 10ms));
    flights.add(2, flight_until(begin + 10ms));
    flights.extend(1, begin + 30ms);
    flights.extend(1, begin + 20ms);
    flights.extend(2, begin + 30ms);
    EXPECT_EQ(flights.next_deadline(), begin + 30ms);
    EXPECT_THAT(flights.late(begin + 30ms), UnorderedElementsAre(1, 2));
    EXPECT_TRUE(flights.take(1));
    EXPECT_THAT(flights.late(begin + 30ms), ElementsAre(2));
}

TEST(Flights, ThoseOfASessionAreTakenOldestFirst) {
    Flights flights;
    for (std::uint64_t delivery = 1; delivery <= 1'000; ++delivery) {
        flights.add(delivery, flight_until(begin + 10ms, 1 + delivery % 2));
    }
    const auto taken =
        flights.take_if([](const Flights::Flight& flight) { return flight.session == 2; });
    EXPECT_EQ(taken.size(), 500U);
    EXPECT_EQ(flights.size(), 500U);
    EXPECT_EQ(flights.late(begin + 10ms).size(), 500U);
    EXPECT_EQ(flights.late(begin + 10ms).front(), 2U);
}

}  // namespace
}  // namespace millrace::broker::delivery
