#include "client/expressions/jq_program.hpp"

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/expressions/run_watch.hpp"

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
    EXPECT_THAT(program.error().text, Not(HasSubstr("shell")));
    EXPECT_TRUE(program.error().text.ends_with(" in line 1")) << program.error().text;
    EXPECT_TRUE(JqProgram::compile(".a |\n nonsense(").error().text.ends_with(" in line 2"));
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

TEST(JqProgram, OfTheSameTextAreKeptApartWhileBothAreHeld) {
    const auto first = JqProgram::compile("error(.)");
    const auto second = JqProgram::compile("error(.)");
    EXPECT_EQ(first.value().run("\"a\"").error().text, "a");
    EXPECT_EQ(second.value().run("\"b\"").error().text, "b");
    EXPECT_EQ(first.value().run("\"c\"").error().text, "c");
}

TEST(JqProgram, RemembersNothingOfItsLastHolder) {
    const std::string text = "if . == 1 then error(\"one\") else range(3) end";
    const auto outputs_of = [&text](const std::string& input) {
        return JqProgram::compile(text).value().run(input);
    };
    EXPECT_EQ(outputs_of("1").error().text, "one");
    EXPECT_THAT(outputs_of("2").value(), ElementsAre("0", "1", "2"));
    EXPECT_EQ(outputs_of("1").error().text, "one");
}

TEST(JqProgram, ThatDoesNotEndIsStoppedAndRunsAgain) {
    const auto before = RunWatch::stopped_count();
    const auto program = JqProgram::compile("if . then until(false; .) else \"done\" end").value();
    const auto stopped = program.run("true");
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Errc::invalid_argument);
    EXPECT_THAT(stopped.error().text, HasSubstr("run_time_max"));
    EXPECT_EQ(RunWatch::stopped_count(), before + 1);
    EXPECT_THAT(program.run("false").value(), ElementsAre("\"done\""));
}

TEST(JqProgram, ValuesThatEndOrHoldJqItselfAreErrorsOrNothing) {
    const std::vector<std::pair<std::string, std::string>> runs = {
        {"todate", "1e300"},
        {"date", "-1e300"},
        {"strftime(\"%Y\")", "1e300"},
        {"strflocaltime(\"%Y\")", "1e300"},
        {"todateiso8601", "1e300"},
        {"halt", "1"},
        {"halt_error", "1"},
        {"\"x\" | halt_error(3)", "1"},
        {"jn(1e300; .)", "1"}};
    for (const auto& [text, input] : runs) {
        const auto program = JqProgram::compile(text);
        ASSERT_TRUE(program) << program.error().text;
        EXPECT_FALSE(program.value().run(input)) << text;
    }
    for (const char* const text : {"indices(\"\")", "index(\"\")", "rindex(\"\")"}) {
        EXPECT_THAT(JqProgram::compile(text).value().run("\"abc\"").value(), ElementsAre("null"))
            << text;
    }
}

TEST(JqProgram, ReadsNoOtherInputAndWritesNoLog) {
    EXPECT_FALSE(JqProgram::compile("input").value().run("1"));
    EXPECT_THAT(JqProgram::compile("[inputs]").value().run("1").value(), ElementsAre("[]"));
    EXPECT_THAT(JqProgram::compile("debug, stderr").value().run("1").value(),
                ElementsAre("1", "1"));
    EXPECT_FALSE(JqProgram::compile("_strindices(\"\")").value().run("\"a\""));
}

TEST(JqProgram, TimesAndPlacesAreJqsOwn) {
    const auto outputs = JqProgram::compile(
                             "todate, date, strftime(\"%Y\"), (\"a,b,a\" | indices(\"a\"), "
                             "index(\"a\"), rindex(\"a\"))")
                             .value()
                             .run("1425599621");
    EXPECT_THAT(
        outputs.value(),
        ElementsAre(
            "\"2015-03-05T23:53:41Z\"", "\"2015-03-05T23:53:41Z\"", "\"2015\"", "[0,4]", "0", "4"));
    EXPECT_THAT(JqProgram::compile("indices(1), indices([1, 2])").value().run("[0,1,2,1]").value(),
                ElementsAre("[1,3]", "[1]"));
}

TEST(JqProgram, MoreThanAreKeptAreCompiledAnew) {
    const auto sum_with = [](int n) {
        return JqProgram::compile(". + " + std::to_string(n)).value().run("1").value();
    };
    for (int n = 0; n < 33; ++n) {
        EXPECT_THAT(sum_with(n), ElementsAre(std::to_string(n + 1)));
    }
    EXPECT_THAT(sum_with(0), ElementsAre("1"));
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
