#include "client/cli/text/table.hpp"

#include <sstream>

#include <gtest/gtest.h>

#include "client/cli/app/progress.hpp"

namespace millrace::cli {
namespace {

TEST(Table, AlignsColumnsWithoutTrailingSpace) {
    Table table({{"TOPIC"}, {"N", Align::right}, {"OWNER"}});
    table.append({"a.b", "5", ""});
    table.append({"plant1.mes", "1,024", "mes"});
    std::ostringstream out;
    table.print(out);
    EXPECT_EQ(out.str(),
              "TOPIC           N  OWNER\n"
              "a.b             5\n"
              "plant1.mes  1,024  mes\n");
}

TEST(Table, CountsCharactersNotBytes) {
    Table table({{"NAME"}, {"X"}});
    table.append({"Gr\xC3\xB6\xC3\x9F\x65", "1"});
    table.append({"abcde", "2"});
    std::ostringstream out;
    table.print(out);
    EXPECT_EQ(out.str(), "NAME   X\nGr\xC3\xB6\xC3\x9F\x65  1\nabcde  2\n");
}

TEST(Table, KeepsARowOnOneLineWhateverItsCellsHold) {
    Table table({{"ERROR", Align::left, 10}, {"B"}});
    table.append({"first\nsecond\x1b[31m", "1", "too many"});
    table.append({});
    std::ostringstream out;
    table.print(out);
    EXPECT_EQ(out.str(), "ERROR       B\nfirst s...  1\n\n");
}

TEST(Shorten, CutsBetweenCharacters) {
    EXPECT_EQ(shorten("abcdef", 6), "abcdef");
    EXPECT_EQ(shorten("abcdefg", 6), "abc...");
    EXPECT_EQ(shorten("\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6", 4), "\xC3\xB6...");
}

TEST(Facts, PutsValuesIntoOneColumn) {
    Facts facts;
    facts.append("up", "3m 20s");
    facts.append("cluster", "c1");
    std::ostringstream out;
    facts.print(out);
    EXPECT_EQ(out.str(), "up:       3m 20s\ncluster:  c1\n");
}

TEST(FormatProgress, ShowsABarWhereTheEndIsKnown) {
    EXPECT_EQ(format_progress(
                  {"published", {.count = 3'100, .share = 0.31}, std::chrono::milliseconds{3'100}}),
              "[######--------------]  31%  published 3,100 records, 1,000/s, 6.9 s left");
    EXPECT_EQ(format_progress({"consumed", {.count = 10}, std::chrono::milliseconds{0}}),
              "consumed 10 records");
    EXPECT_EQ(format_progress({"published",
                               {.count = 5, .duplicate_count = 2, .share = 1.2},
                               std::chrono::milliseconds{1'000}}),
              "[####################] 100%  published 5 records (2 known before), 5/s");
}

}  // namespace
}  // namespace millrace::cli
