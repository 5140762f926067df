#include "client/cli/text/record_format.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

Record sample() {
    Record record;
    record.topic = "plant1.mes.finished";
    record.partition = 2;
    record.offset = 9;
    record.append_time_us = 1'795'177'845'250'000;
    record.key = "WO-1";
    record.value = R"({"qty":10,"machine":{"id":"M4"}})";
    record.headers = {{"schema", "v1"}, {"site", "plant1"}};
    return record;
}

std::string format(const char* text) {
    return RecordFormat::parse(text).format(sample());
}
std::string error_of(const char* text) {
    try {
        static_cast<void>(RecordFormat::parse(text));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "no error";
}

TEST(RecordFormat, ValueIsTheValueAlone) {
    EXPECT_EQ(format("value"), sample().value);
}

TEST(RecordFormat, TemplatesFillFields) {
    EXPECT_EQ(format("{topic}/{partition}@{offset} {key}"), "plant1.mes.finished/2@9 WO-1");
    EXPECT_EQ(format("{append_time} {append_time_us}"),
              "2026-11-20T12:30:45.250Z 1795177845250000");
    EXPECT_EQ(format("{event_time}"), "-");
    EXPECT_EQ(format("{value.qty} {value.machine.id} {value.none}|"), "10 M4 |");
    EXPECT_EQ(format("{header.schema} {header.none}|{headers}"), "v1 |schema=v1,site=plant1");
}

TEST(RecordFormat, DeliveriesOfAQueueHaveTheirAttempt) {
    const auto of_queue = [](const char* text) {
        return RecordFormat::parse(text, RecordFormat::Of::queue).format(sample(), 3);
    };
    EXPECT_EQ(of_queue("{attempt} {key}"), "3 WO-1");
    EXPECT_EQ(of_queue("value"), sample().value);
    EXPECT_TRUE(
        of_queue("json").ends_with(R"("value":{"qty":10,"machine":{"id":"M4"}},"attempt":3})"));
    EXPECT_EQ(format("json").find("attempt"), std::string::npos);
    EXPECT_EQ(error_of("{attempt}"), "--format: there is no field {attempt}");
}

TEST(RecordFormat, KnowsEscapesAndBraces) {
    EXPECT_EQ(format(R"({key}\t{offset}\n\\)"), "WO-1\t9\n\\");
    EXPECT_EQ(format("{{{key}}}"), "{WO-1}");
}

TEST(RecordFormat, SaysWhichFieldWasProbablyMeant) {
    EXPECT_EQ(error_of("{ofset}"), "--format: there is no field {ofset}; did you mean offset?");
    EXPECT_EQ(error_of("jsn"),
              "--format: \"jsn\" is neither value nor json nor a template with {fields}; did you "
              "mean json?");
}

TEST(RecordFormat, RefusesOpenBracesAndArgumentsWhereNoneBelong) {
    for (const char* text : {"{key", "{header}", "{header.}", "{key.x}", "{}"}) {
        EXPECT_NE(error_of(text), "no error") << text;
    }
}

}  // namespace
}  // namespace millrace::cli
