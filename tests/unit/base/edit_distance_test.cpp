#include "storage/base/text/edit_distance.hpp"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(EditDistance, CountsLettersPutInTakenOutAndReplaced) {
    EXPECT_EQ(edit_distance("steps", "steps"), 0U);
    EXPECT_EQ(edit_distance("stps", "steps"), 1U);
    EXPECT_EQ(edit_distance("stepss", "steps"), 1U);
    EXPECT_EQ(edit_distance("stups", "steps"), 1U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
}

}  // namespace
}  // namespace millrace
