#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stand_ins/plant/csv_reader.hpp"

namespace millrace::plant {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

struct Read {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> lines;
    std::string error;
};

Read read_all(const std::string& text) {
    std::istringstream in(text);
    CsvReader reader(in, ';');
    Read read;
    while (true) {
        auto row = reader.read();
        if (row.has_error()) {
            read.error = row.error().text;
            return read;
        }
        if (!row.value()) {
            return read;
        }
        read.rows.push_back(row.value()->fields);
        read.lines.push_back(row.value()->line);
    }
}

TEST(PlantCsv, SplitsRowsAtEitherLineEndAndKeepsEmptyFields) {
    const Read read = read_all("a;b;c\r\n;;\nlast;row;");
    EXPECT_THAT(
        read.rows,
        ElementsAre(
            ElementsAre("a", "b", "c"), ElementsAre("", "", ""), ElementsAre("last", "row", "")));
    EXPECT_EQ(read.error, "");
}

TEST(PlantCsv, QuotedFieldsHoldSeparatorsQuotesAndLineBreaks) {
    const Read read = read_all("\"a;b\";\"say \"\"yes\"\"\"\n\"two\nlines\";x\nnext;y\n");
    EXPECT_THAT(read.rows,
                ElementsAre(ElementsAre("a;b", "say \"yes\""),
                            ElementsAre("two\nlines", "x"),
                            ElementsAre("next", "y")));
    EXPECT_THAT(read.lines, ElementsAre(1, 2, 4));
}

TEST(PlantCsv, ByteOrderMarkIsSkippedAndALetterThatBeginsLikeOneIsNot) {
    EXPECT_THAT(read_all("\xEF\xBB\xBF"
                         "a;b")
                    .rows,
                ElementsAre(ElementsAre("a", "b")));
    EXPECT_THAT(read_all("\xEF\xBC\xA1;b").rows, ElementsAre(ElementsAre("\xEF\xBC\xA1", "b")));
}

TEST(PlantCsv, EmptyLinesArePassedOverAndCounted) {
    const Read read = read_all("\n\na;b\n\nc;d\n\n");
    EXPECT_THAT(read.lines, ElementsAre(3, 5));
}

TEST(PlantCsv, BrokenQuotesAreRefusedWithTheirLine) {
    EXPECT_THAT(read_all("a;b\nc;\"open\nstill").error, StartsWith("2: "));
    EXPECT_THAT(read_all("a\n\"b\"c;d").error, StartsWith("2: text behind"));
    EXPECT_THAT(read_all("a\"b;c").error, StartsWith("1: a quote within"));
}

TEST(PlantCsv, NothingComesOfAnEmptyFile) {
    EXPECT_TRUE(read_all("").rows.empty());
    EXPECT_EQ(read_all("").error, "");
}

}  // namespace
}  // namespace millrace::plant
