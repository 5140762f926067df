#include "client/cli/jobs/speed.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

TEST(Speed, IsMaxOrARateOrAMultiple) {
    EXPECT_EQ(require_speed("max").records_per_second, 0);
    EXPECT_EQ(require_speed("max").time_scale, 0);
    EXPECT_EQ(require_speed("50/s").records_per_second, 50);
    EXPECT_EQ(require_speed("1x").time_scale, 1);
    EXPECT_EQ(require_speed("0.5x").time_scale, 0.5);
    EXPECT_EQ(require_speed("10x").records_per_second, 0);
    for (const auto* const bad : {"fast", "x", "-1x", "0x", "1xx", "1 x"}) {
        EXPECT_THROW((void)require_speed(bad), UsageError) << bad;
    }
}

TEST(Header, IsNameAndValue) {
    EXPECT_EQ(require_header("a=b=c"), (Header{.key = "a", .value = "b=c"}));
    EXPECT_EQ(require_header("a="), (Header{.key = "a", .value = ""}));
    EXPECT_THROW((void)require_header("=b"), UsageError);
    EXPECT_THROW((void)require_header("ab"), UsageError);
}

}  // namespace
}  // namespace millrace::cli
