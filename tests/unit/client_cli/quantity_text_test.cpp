#include "client/cli/text/quantity_text.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

TEST(ParseBytes, ReadsBinaryAndDecimalUnits) {
    EXPECT_EQ(parse_bytes("4096"), 4096U);
    EXPECT_EQ(parse_bytes("64KiB"), 65'536U);
    EXPECT_EQ(parse_bytes("64k"), 65'536U);
    EXPECT_EQ(parse_bytes("10MB"), 10'000'000U);
    EXPECT_EQ(parse_bytes("1.5 GiB"), 1'610'612'736U);
    EXPECT_EQ(parse_bytes("18446744073709551615"), UINT64_MAX);
}

TEST(ParseBytes, RefusesSignsUnknownUnitsAndTooMuch) {
    for (const char* text : {"", "-1", "KiB", "5 bytes", "1e3", "99999999P", "nan"}) {
        EXPECT_FALSE(parse_bytes(text)) << text;
    }
    EXPECT_THROW(static_cast<void>(require_bytes("much", "--record-max")), UsageError);
}

TEST(FormatBytes, PicksTheUnit) {
    EXPECT_EQ(format_bytes(512), "512 B");
    EXPECT_EQ(format_bytes(1536), "1.5 KiB");
    EXPECT_EQ(format_bytes(3ULL << 40U), "3.0 TiB");
}

TEST(ParseRate, CountsRecordsASecond) {
    EXPECT_DOUBLE_EQ(parse_rate("500").value(), 500);
    EXPECT_DOUBLE_EQ(parse_rate("500/s").value(), 500);
    EXPECT_DOUBLE_EQ(parse_rate("30/m").value(), 0.5);
    EXPECT_DOUBLE_EQ(parse_rate("10k/s").value(), 10'000);
}

TEST(ParseRate, IsNeverZero) {
    EXPECT_FALSE(parse_rate("0/s"));
    EXPECT_FALSE(parse_rate("fast"));
    EXPECT_THROW(static_cast<void>(require_rate("0", "--rate")), UsageError);
}

TEST(FormatCount, SeparatesThousands) {
    EXPECT_EQ(format_count(0), "0");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_count(2'489), "2,489");
    EXPECT_EQ(format_count(1'234'567), "1,234,567");
}

}  // namespace
}  // namespace millrace::cli
