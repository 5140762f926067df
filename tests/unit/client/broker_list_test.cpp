#include "client/src/broker_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

/// The hosts that are tried, from the current one on.
std::vector<std::string> tried(BrokerList& brokers, int count) {
    std::vector<std::string> hosts;
    for (int i = 0; i < count; ++i) {
        hosts.push_back(brokers.current().first);
        brokers.advance();
    }
    return hosts;
}

TEST(BrokerList, WhatIsNotSaidIsTheUsual) {
    EXPECT_THAT(BrokerList("").current(), Pair("localhost", "7117"));
    EXPECT_THAT(BrokerList(",a").current(), Pair("a", "7117"));
    EXPECT_THAT(BrokerList("a:1").current(), Pair("a", "1"));
    EXPECT_EQ(BrokerList("a,b:2,,c").size(), 3U);
}

TEST(BrokerList, EachHasItsTurn) {
    BrokerList brokers("a,b,c");
    EXPECT_THAT(tried(brokers, 4), ElementsAre("a", "b", "c", "a"));
}

TEST(BrokerList, OneThatIsNamedGoesFirstAndOnce) {
    BrokerList brokers("a,b,c");
    brokers.learn({"c:7117", "d:1"}, /*names_leader=*/true);
    brokers.advance();
    EXPECT_THAT(tried(brokers, 5), ElementsAre("c", "b", "c", "d", "a"));
}

TEST(BrokerList, TwoThatNameEachOtherDoNotHideTheRest) {
    BrokerList brokers("a,b,c");
    std::vector<std::string> hosts;
    while (hosts.size() < 5) {
        const auto host = brokers.current().first;
        hosts.push_back(host);
        if (host != "c") {
            brokers.learn({host == "a" ? "b:7117" : "a:7117"}, /*names_leader=*/true);
        }
        brokers.advance();
    }
    EXPECT_THAT(hosts, ElementsAre("a", "b", "b", "a", "c"));
}

TEST(BrokerList, WhatWasLearntIsForgottenForWhatIsLearntNext) {
    BrokerList brokers("a");
    brokers.learn({"d:1", "e:1"}, /*names_leader=*/false);
    brokers.advance();
    EXPECT_THAT(brokers.current(), Pair("d", "1"));
    brokers.keep_current();
    brokers.learn({"f:1"}, /*names_leader=*/false);
    EXPECT_THAT(brokers.current(), Pair("d", "1"));  // stays, as it answered
    EXPECT_EQ(brokers.size(), 3U);
    EXPECT_THAT(tried(brokers, 3), ElementsAre("d", "f", "a"));
}

}  // namespace
}  // namespace millrace::client
