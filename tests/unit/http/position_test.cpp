#include "broker/gateways/http/records/position.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::http {
namespace {

TEST(Position, IsReadBackAsItWasWritten) {
    for (const char* const text : {"3:5", "0:17,1:5,*", "0:0,7:18446744073709551615"}) {
        const auto parsed = parse_positions(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(format_positions(parsed.value()), text);
    }
    EXPECT_TRUE(parse_positions("0:1,*").value().has_all);
    EXPECT_FALSE(parse_positions("0:1").value().has_all);
}

TEST(Position, WhatIsNoneIsRefused) {
    for (const char* const text :
         {"", "*", "3", "3:", ":5", "3:x", "3:5,3:6", "*,3:5", "-1:5", "3:5,,4:6", "3 :5"}) {
        EXPECT_FALSE(parse_positions(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::http
