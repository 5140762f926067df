#include "client/expressions/jq_program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::expressions {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JqProgram, GivesEachOutputAsJson) {
    const auto program = JqProgram::compile(".a, .b[]");
    ASSERT_TRUE(program) << program.error().text;
    EXPECT_THAT(program.value().run(R"({"a":"x","b":[1,2.5,null]})").value(),
                ElementsAre("\"x\"", "1", "2.5", "null"));
}

TEST(JqProgram, RunsAgainAfterAnError) {
    const auto program = JqProgram::compile(".a | if . == 1 then error(\"one is bad\") else . end");
    ASSERT_TRUE(program);
    const auto failed = program.value().run(R"({"a":1})");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().text, "one is bad");
    EXPECT_THAT(program.value().run(R"({"a":2})").value(), ElementsAre("2"));
}

TEST(JqProgram, SaysWhatIsWrongWithItself) {
    const auto program = JqProgram::compile(".a | nonsense(");
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, Errc::configuration);
    EXPECT_THAT(program.error().text, HasSubstr("syntax error"));
}

TEST(JqProgram, RefusesInputThatIsNotJson) {
    EXPECT_EQ(JqProgram::compile(".").value().run("{").error().code, Errc::malformed);
}

TEST(JqProgram, StopsAfterALimitOfOutputs) {
    const auto outputs = JqProgram::compile("range(1000000)").value().run("null");
    ASSERT_TRUE(outputs);
    EXPECT_EQ(outputs.value().size(), 1000U);
}

}  // namespace
}  // namespace millrace::expressions
