#include "broker/gateways/http/targets/verdict.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::http {
namespace {

using delivery::Cause;

PostAnswer answered(unsigned status, NamedTexts headers = {}, std::string body = {}) {
    return {.status = status, .headers = std::move(headers), .body = std::move(body)};
}

TEST(Verdict, TwoHundredsAreDone) {
    for (const unsigned status : {200U, 201U, 202U, 204U, 299U}) {
        EXPECT_TRUE(judge(answered(status)).is_done) << status;
    }
}

TEST(Verdict, EveryOtherStatusHasItsCause) {
    for (const auto& [status, cause] : {std::pair{408U, Cause::transient},
                                        std::pair{425U, Cause::transient},
                                        std::pair{429U, Cause::transient},
                                        std::pair{500U, Cause::transient},
                                        std::pair{503U, Cause::transient},
                                        std::pair{401U, Cause::authorization},
                                        std::pair{403U, Cause::authorization},
                                        std::pair{301U, Cause::configuration},
                                        std::pair{199U, Cause::configuration},
                                        std::pair{400U, Cause::mapping},
                                        std::pair{404U, Cause::mapping},
                                        std::pair{422U, Cause::mapping}}) {
        const auto verdict = judge(answered(status));
        EXPECT_FALSE(verdict.is_done) << status;
        EXPECT_EQ(verdict.nack.cause, cause) << status;
        EXPECT_NE(verdict.nack.error.find(std::to_string(status)), std::string::npos);
    }
}

TEST(Verdict, ATargetThatTlsDoesNotTrustIsToBeSet) {
    const auto verdict =
        judge({.kind = PostAnswer::Kind::refused, .error = "its certificate has expired"});
    EXPECT_FALSE(verdict.is_done);
    EXPECT_EQ(verdict.nack.cause, Cause::configuration);
    EXPECT_EQ(verdict.nack.error, "its certificate has expired");
    const std::string phrase = "Client sent an HTTP request to an HTTPS server.";
    EXPECT_EQ(judge(answered(400, {}, phrase)).nack.cause, Cause::configuration);
    EXPECT_EQ(judge(answered(400, {}, R"({"bad":")" + phrase + R"("})")).nack.cause, Cause::mapping)
        << "the record's own words would stop the subscription";
}

TEST(Verdict, RetryAfterIsHonouredUpToAnHour) {
    EXPECT_EQ(judge(answered(503, {{"retry-after", "7"}})).nack.delay, std::chrono::seconds(7));
    EXPECT_EQ(judge(answered(429, {{"retry-after", "999999"}})).nack.delay, std::chrono::hours(1));
    for (const char* const text : {"", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "7s"}) {
        EXPECT_FALSE(judge(answered(503, {{"retry-after", text}})).nack.delay) << text;
    }
    EXPECT_FALSE(judge(answered(400, {{"retry-after", "7"}})).nack.delay);
}

TEST(Verdict, TheAnswerStaysWithTheRecordUpToALimit) {
    const auto verdict = judge(answered(400, {}, std::string(response_bytes_max + 1, 'x')));
    EXPECT_EQ(verdict.nack.response.size(), response_bytes_max);
}

TEST(Verdict, WithoutAnAnswerItIsOutOrUnknown) {
    const auto out = judge({.kind = PostAnswer::Kind::unreachable, .error = "refused"});
    EXPECT_EQ(out.nack.cause, Cause::outage);
    EXPECT_EQ(out.nack.error, "refused");
    const auto unknown = judge({.kind = PostAnswer::Kind::unknown, .error = "lost"});
    EXPECT_EQ(unknown.nack.cause, Cause::outcome_unknown);
}

}  // namespace
}  // namespace millrace::broker::http
