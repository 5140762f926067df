#include "broker/gateways/http/server/problem.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::broker::http {
namespace {

using Json = nlohmann::json;

TEST(Problem, CarriesTheNameOfTheErrorAndWhetherItMayPass) {
    const auto response = problem(fail(Errc::unknown_topic, "topic \"a\" does not exist"));
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.content_type, "application/problem+json");
    EXPECT_TRUE(response.headers.empty());
    const auto json = Json::parse(response.body);
    EXPECT_EQ(json.at("type"), "urn:millrace:error:unknown_topic");
    EXPECT_EQ(json.at("title"), "unknown topic");
    EXPECT_EQ(json.at("status"), 404);
    EXPECT_EQ(json.at("detail"), "topic \"a\" does not exist");
    EXPECT_EQ(json.at("error"), "unknown_topic");
    EXPECT_EQ(json.at("retryable"), false);
    EXPECT_FALSE(json.contains("limit"));
}

TEST(Problem, ALimitIsNamedAndSaysWhenToComeAgain) {
    const auto response =
        problem(fail(Errc::limit_reached, "limit publish_bytes_pending_max is reached"));
    EXPECT_EQ(response.status, 429);
    ASSERT_EQ(response.headers.size(), 1U);
    EXPECT_EQ(response.headers.front().first, "Retry-After");
    const auto json = Json::parse(response.body);
    EXPECT_EQ(json.at("limit"), "publish_bytes_pending_max");
    EXPECT_EQ(json.at("retryable"), true);
}

TEST(Problem, WhatMayPassAndIsNotTheClientsFaultIsUnavailable) {
    for (const auto code : {Errc::shutting_down, Errc::out_of_space, Errc::shard_failed}) {
        const auto response = problem(fail(code, "no"));
        EXPECT_EQ(response.status, 503) << name_of(code);
        EXPECT_FALSE(response.headers.empty()) << name_of(code);
    }
    EXPECT_EQ(status_of(Errc::corrupt), 500U);
    EXPECT_EQ(status_of(Errc::internal), 500U);
}

TEST(Problem, TextThatIsNoUtf8StillMakesJson) {
    EXPECT_TRUE(Json::accept(problem(fail(Errc::malformed, "bad \xff byte")).body));
}

}  // namespace
}  // namespace millrace::broker::http
