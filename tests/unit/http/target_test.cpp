#include "broker/gateways/http/routing/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Target, PathAndQueryAreTakenApartAndPercentIsUndone) {
    const auto target = parse_target("/v1/topics/a.b/records?from=2026-01-01T00%3A00Z&q=a+b&flag");
    ASSERT_TRUE(target);
    EXPECT_THAT(target.value().segments, ElementsAre("v1", "topics", "a.b", "records"));
    EXPECT_THAT(target.value().query,
                ElementsAre(Pair("from", "2026-01-01T00:00Z"), Pair("q", "a b"), Pair("flag", "")));
    EXPECT_EQ(target.value().param("q"), "a b");
    EXPECT_FALSE(target.value().param("none"));
}

TEST(Target, AnEncodedSlashStaysInItsSegmentAndAPlusInAPath) {
    const auto target = parse_target("/v1/hooks/a%2Fb+c/");
    ASSERT_TRUE(target);
    EXPECT_THAT(target.value().segments, ElementsAre("v1", "hooks", "a/b+c"));
}

TEST(Target, WhatIsNoTargetIsRefused) {
    for (const char* const text : {"", "v1", "*", "/a%", "/a%2", "/a%zz", "/a?b=%4"}) {
        const auto target = parse_target(text);
        ASSERT_FALSE(target) << text;
        EXPECT_EQ(target.error().code, Errc::malformed) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::http
