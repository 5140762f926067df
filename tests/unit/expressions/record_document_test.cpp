#include "client/expressions/record_document.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::expressions {
namespace {

RecordFacts facts() {
    return {.topic = "plant1.mes.step.done",
            .partition_index = 2,
            .offset = 17,
            .append_time_us = 1'795'485'852'068'452,
            .event_time_us = 1'795'485'852'067'000,
            .key = "WO-1",
            .headers = {{"site", "north"}},
            .value = R"({"order":"WO-1","scrap":3})"};
}

bool wants(const std::string& program, const RecordFacts& facts) {
    return is_wanted(JqProgram::compile(program).value(), facts).value();
}

TEST(RecordDocument, SaysEverythingOfARecord) {
    const auto document = nlohmann::json::parse(record_document(facts()));
    EXPECT_EQ(document, nlohmann::json::parse(R"({"topic": "plant1.mes.step.done", "partition": 2,
        "offset": 17, "append_time_us": 1795485852068452, "event_time_us": 1795485852067000,
        "key": "WO-1", "headers": {"site": "north"}, "value": {"order": "WO-1", "scrap": 3}})"));
}

TEST(RecordDocument, AValueThatIsNoJsonIsAText) {
    auto plain = facts();
    plain.value = "temperature \"high\" \xff";
    const auto document = nlohmann::json::parse(record_document(plain));
    EXPECT_EQ(document.at("value"), "temperature \"high\" \xef\xbf\xbd");
}

TEST(RecordDocument, IsWantedWhenTheFirstAnswerIsNeitherFalseNorNull) {
    EXPECT_TRUE(wants(".value.scrap > 2", facts()));
    EXPECT_FALSE(wants(".value.scrap > 3", facts()));
    EXPECT_TRUE(wants(".headers.site", facts()));
    EXPECT_FALSE(wants(".headers.line", facts()));
    EXPECT_FALSE(wants("empty", facts()));
    EXPECT_EQ(is_wanted(JqProgram::compile(".value + 1").value(), facts()).error().code,
              Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace::expressions
