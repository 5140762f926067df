#include "broker/odoo/answers/load_answer.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

TEST(LoadAnswer, AllRowsWereWritten) {
    EXPECT_TRUE(std::holds_alternative<LoadWrote>(
        parse_load_answer(R"({"ids":[54,55],"messages":[],"nextrow":0})", 2)));
}

TEST(LoadAnswer, NamesRefusedRowsOnceEach) {
    const auto answer = parse_load_answer(
        R"({"ids":false,"messages":[
            {"type":"error","rows":{"from":1,"to":2},"record":1,"field":"product_id",
             "message":"No match"},
            {"type":"error","rows":{"from":2,"to":2},"record":2,"field":"name",
             "message":"second thought"},
            {"type":"warning","rows":{"from":0,"to":0},"record":0,"field":"x",
             "message":"only a warning"}]})",
        3);
    const auto& rows = std::get<std::vector<RefusedRow>>(answer);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].row, 1U);
    EXPECT_EQ(rows[1].row, 2U);
    EXPECT_EQ(rows[1].fault.error, "product_id: No match");
}

TEST(LoadAnswer, ConflictIsTransientThoughItComesAsARow) {
    const auto answer = parse_load_answer(
        R"({"ids":false,"messages":[{"type":"error","rows":{"from":0,"to":0},"record":0,
            "message":"could not serialize access due to concurrent update"}]})",
        1);
    EXPECT_EQ(std::get<std::vector<RefusedRow>>(answer).front().fault.cause, Cause::transient);
}

TEST(LoadAnswer, RefusalWithoutARowConcernsTheWholeCall) {
    const auto answer = parse_load_answer(
        R"({"ids":false,"messages":[{"type":"error","message":"Unknown column"}]})", 4);
    EXPECT_EQ(std::get<Fault>(answer).error, "Unknown column");
}

TEST(LoadAnswer, RowsOutsideTheCallBlameNobodyInIt) {
    const auto answer = parse_load_answer(
        R"({"ids":false,"messages":[{"type":"error","rows":{"from":7,"to":9},"message":"x"}]})", 2);
    EXPECT_TRUE(std::holds_alternative<Fault>(answer));
}

TEST(LoadAnswer, OtherShapesAreFaults) {
    for (const char* const text : {"",
                                   "null",
                                   "[]",
                                   "{}",
                                   "{\"ids\":[1]}",
                                   "{\"ids\":false}",
                                   "{\"ids\":false,\"messages\":3}"}) {
        EXPECT_TRUE(std::holds_alternative<Fault>(parse_load_answer(text, 2))) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
