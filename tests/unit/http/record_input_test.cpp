#include "broker/gateways/http/records/record_input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/gateways/http/records/publish_routes.hpp"

namespace millrace::broker::http {
namespace {

using ::testing::HasSubstr;

Request request_of(std::string body, NamedTexts headers = {}) {
    Request request;
    request.body = std::move(body);
    request.headers = std::move(headers);
    return request;
}

TEST(RecordInput, LinesAreRecordsAndABadOneStandsForItself) {
    const auto records = parse_records(
        request_of("{\"value\":1}\n\r\n{oops}\n{\"value\":3}"), "application/x-ndjson", 3);
    ASSERT_TRUE(records);
    ASSERT_EQ(records.value().size(), 3U);
    EXPECT_EQ(records.value()[0].value().value, "1");
    EXPECT_EQ(records.value()[1].error().code, Errc::malformed);
    EXPECT_EQ(records.value()[2].value().value, "3");
}

TEST(RecordInput, AHeaderThatSaysNoTimeRefusesItsRecordAlone) {
    const auto records = parse_records(
        request_of("{\"value\":1,\"headers\":{\"deliver-after\":\"tomorrow\"}}\n"
                   "{\"value\":1,\"headers\":{\"deliver-after\":\"2026-11-24T06:00:00Z\"}}\n"
                   "{\"value\":1,\"headers\":{\"expires-at\":\"\"}}"),
        "application/x-ndjson",
        3);
    ASSERT_TRUE(records);
    EXPECT_EQ(records.value()[0].error().code, Errc::invalid_argument);
    EXPECT_THAT(records.value()[0].error().text,
                HasSubstr("deliver-after says no time: \"tomorrow\""));
    EXPECT_TRUE(records.value()[1]);
    EXPECT_THAT(records.value()[2].error().text, HasSubstr("expires-at says no time: \"\""));
}

TEST(RecordInput, AListAndOneRecordAreJson) {
    EXPECT_EQ(
        parse_records(request_of(R"([{"value":1},{"x":2}])"), "application/json", 9).value().size(),
        2U);
    EXPECT_EQ(parse_records(request_of(R"({"value":1})"), "application/json", 9).value().size(),
              1U);
    for (const char* const body : {"", "[", "[]"}) {
        EXPECT_FALSE(parse_records(request_of(body), "application/json", 9)) << body;
    }
}

TEST(RecordInput, MoreRecordsThanTheLimitAreRefusedAndAsManyAreNot) {
    EXPECT_TRUE(parse_records(request_of(R"([{"value":1},{"value":2}])"), "application/json", 2));
    const auto list =
        parse_records(request_of(R"([{"value":1},{"value":2}])"), "application/json", 1);
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().text, HasSubstr("http_request_records_max (1)"));
    EXPECT_TRUE(parse_records(request_of("{\"value\":1}\n"), "application/x-ndjson", 1));
    EXPECT_FALSE(
        parse_records(request_of("{\"value\":1}\n{\"value\":1}"), "application/x-ndjson", 1));
}

TEST(RecordInput, BytesHaveKeyAndHeadersBeside) {
    const auto records = parse_records(request_of(std::string("\0\xff", 2),
                                                  {{"millrace-key", "k"},
                                                   {"millrace-header-kind", "scan"},
                                                   {"millrace-event-time", "2026-11-20T06:00:00Z"},
                                                   {"millrace-partition", "2"},
                                                   {"idempotency-key", "id7"}}),
                                       "application/octet-stream",
                                       1);
    const auto& record = records.value().front().value();
    EXPECT_EQ(record.value, std::string("\0\xff", 2));
    EXPECT_EQ(record.key, "k");
    EXPECT_EQ(record.header("kind"), "scan");
    EXPECT_EQ(record.header("event-id"), "id7");
    EXPECT_EQ(record.partition, 2U);
    EXPECT_EQ(record.event_time_us, 1'795'154'400'000'000);
    const auto wrong = parse_records(
        request_of("x", {{"millrace-partition", "-1"}}), "application/octet-stream", 1);
    EXPECT_EQ(wrong.value().front().error().code, Errc::invalid_argument);
}

TEST(RecordInput, AnIdempotencyKeyCountsOnOverRecordsThatHaveNoId) {
    const auto records = parse_records(
        request_of(R"([{"value":1},{"value":2,"headers":{"event-id":"own"}},{"value":3}])",
                   {{"idempotency-key", "run"}}),
        "application/json",
        9);
    EXPECT_EQ(records.value()[0].value().header("event-id"), "run/0");
    EXPECT_EQ(records.value()[1].value().header("event-id"), "own");
    EXPECT_EQ(records.value()[2].value().header("event-id"), "run/2");
}

TEST(RecordInput, CloudEventsComeAlsoInBatches) {
    const std::string event = R"({"specversion":"1.0","id":"1","source":"s","type":"t"})";
    EXPECT_TRUE(parse_records(request_of(event), "application/cloudevents+json", 1).value()[0]);
    EXPECT_EQ(
        parse_records(request_of("[" + event + ",{}]"), "application/cloudevents-batch+json", 2)
            .value()
            .size(),
        2U);
    EXPECT_FALSE(parse_records(request_of(event), "application/cloudevents-batch+json", 1));
}

TEST(PublishAnswer, NamesTheDurabilityThatItStandsFor) {
    RecordOutcome measured;
    measured.durability = Durability::leader;
    const auto json = Json::parse(answer_of({measured}).body);
    EXPECT_EQ(json.at("records").at(0).at("durability"), "leader");
}

TEST(PublishAnswer, SaysAllSomeOrNone) {
    const RecordOutcome good{.error = {}, .partition_index = 1, .offset = Offset{7}};
    RecordOutcome bad;
    bad.error = fail(Errc::limit_reached, "limit publish_bytes_pending_max");
    EXPECT_EQ(answer_of({good, good}).status, 200U);
    const auto some = answer_of({good, bad});
    EXPECT_EQ(some.status, 207U);
    const auto json = Json::parse(some.body);
    EXPECT_EQ(json.at("published"), 1);
    EXPECT_EQ(json.at("failed"), 1);
    EXPECT_EQ(json.at("records").at(0).at("offset"), 7);
    EXPECT_EQ(json.at("records").at(0).at("durability"), "majority");
    EXPECT_EQ(json.at("records").at(1).at("error"), "limit_reached");
    const auto none = answer_of({bad, bad});
    EXPECT_EQ(none.status, 429U);
    EXPECT_EQ(none.headers.front().first, "Retry-After");
    EXPECT_EQ(Json::parse(none.body).at("records").size(), 2U);
}

}  // namespace
}  // namespace millrace::broker::http
