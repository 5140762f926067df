#include "broker/gateways/http/targets/post_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/security/digest.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

FeedEvent event_of(const wire::RecordView& record) {
    return {.topic = "a.b",
            .partition_index = 3,
            .offset = Offset{17},
            .attempt = 2,
            .record = wire::format_plain_record(record)};
}

constexpr UnixMicros now_us = 1'795'154'400'500'000;

TEST(PostRequest, SaysWhatTheRecordIsAndWhereItLies) {
    const auto post = post_of(event_of({.key = "WO-1",
                                        .value = R"({"n":1})",
                                        .headers = {{.key = "event-id", .value = "e 7"}}}),
                              {.headers = {{"X-Plant", "one"}}},
                              now_us);
    ASSERT_TRUE(post);
    EXPECT_EQ(post.value().body, R"({"n":1})");
    for (const auto& [name, value] : {std::pair{"X-Plant", "one"},
                                      std::pair{"Content-Type", "application/json"},
                                      std::pair{"Millrace-Topic", "a.b"},
                                      std::pair{"Millrace-Partition", "3"},
                                      std::pair{"Millrace-Offset", "17"},
                                      std::pair{"Millrace-Attempt", "2"},
                                      std::pair{"Millrace-Key", "WO-1"},
                                      std::pair{"Millrace-Event-Id", "e%207"}}) {
        EXPECT_THAT(post.value().headers, Contains(Pair(name, value)));
    }
    EXPECT_THAT(post.value().headers, Not(Contains(Pair("Millrace-Signature", ::testing::_))));
}

TEST(PostRequest, IsSignedWithTheFirstSecretOverTimeAndBody) {
    const auto post =
        post_of(event_of({.key = {}, .value = "x"}), {.secrets = {"new", "old"}}, now_us);
    EXPECT_THAT(post.value().headers, Contains(Pair("Millrace-Timestamp", "1795154400")));
    EXPECT_THAT(post.value().headers,
                Contains(Pair("Millrace-Signature",
                              "sha256=" + format_hex(hmac_sha256("new", "1795154400.x")))));
    EXPECT_THAT(post.value().headers, Contains(Pair("Content-Type", "application/octet-stream")));
}

TEST(PostRequest, AKeyCannotEndItsHeader) {
    const auto post =
        post_of(event_of({.key = "a\r\nX: b%\xff",
                          .value = "x",
                          .headers = {{.key = "content-type", .value = "text/plain\r\nX: b"}}}),
                {},
                now_us);
    EXPECT_THAT(post.value().headers, Contains(Pair("Millrace-Key", "a%0d%0aX:%20b%25%ff")));
    EXPECT_THAT(post.value().headers, Contains(Pair("Content-Type", "application/octet-stream")));
}

TEST(PostRequest, ARecordThatDoesNotParseIsRefused) {
    FeedEvent event;
    event.record = {std::byte{0xff}, std::byte{0xff}};
    EXPECT_EQ(post_of(event, {}, now_us).error().code, Errc::malformed);
}

TEST(PostRequest, AHeaderBeyondTheLimitIsRefusedAndOneAtItGoesOut) {
    const std::string fits(post_header_bytes_max, 'k');
    const auto post = post_of(event_of({.key = fits, .value = "x"}), {}, now_us);
    ASSERT_TRUE(post);
    EXPECT_THAT(post.value().headers, Contains(Pair("Millrace-Key", fits)));
    const std::string is_longer = fits + "k";
    const std::string is_longer_written(post_header_bytes_max / 2, '\n');
    for (const wire::RecordView& record :
         {wire::RecordView{.key = is_longer, .value = "x"},
          wire::RecordView{
              .key = {}, .value = "x", .headers = {{.key = "event-id", .value = is_longer}}},
          wire::RecordView{
              .key = {}, .value = "x", .headers = {{.key = "content-type", .value = is_longer}}},
          wire::RecordView{.key = is_longer_written, .value = "x"}}) {
        const auto refused = post_of(event_of(record), {}, now_us);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::frame_too_large);
        EXPECT_THAT(refused.error().text, HasSubstr("limit post_header_bytes_max is 8192"));
    }
}

}  // namespace
}  // namespace millrace::broker::http
