#include "client/expressions/jq_program.hpp"

#include <cstdlib>

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

TEST(JqProgram, DoesNotSeeTheEnvironment) {
    ASSERT_EQ(::setenv("MILLRACE_TEST_SECRET", "s3cret", 1), 0);
    for (const char* const text :
         {"$ENV", "env", "def f: env; f", "def f: $ENV; f", ". as $x | [1] | map(env)[0]"}) {
        const auto program = JqProgram::compile(text);
        ASSERT_TRUE(program) << text;
        EXPECT_THAT(program.value().run("null").value(), ElementsAre("{}")) << text;
    }
}

TEST(JqProgram, NothingAndARemarkAlonePassTheInputOn) {
    for (const char* const text : {"", " ", "# all of it"}) {
        const auto program = JqProgram::compile(text);
        ASSERT_TRUE(program) << text;
        EXPECT_THAT(program.value().run("7").value(), ElementsAre("7")) << text;
    }
    EXPECT_THAT(JqProgram::compile("def f: 1; f, 2 # two").value().run("null").value(),
                ElementsAre("1", "2"));
}

TEST(JqProgram, IncludesNoFiles) {
    for (const char* const text : {"include \"a\"; .",
                                   "import \"a\" as a; .",
                                   "import \"a\" as $a; .",
                                   "include \"a\" {search: \"./\"}; ."}) {
        EXPECT_FALSE(JqProgram::compile(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::expressions
