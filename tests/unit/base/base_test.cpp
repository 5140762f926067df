#include <set>

#include <gtest/gtest.h>

#include "storage/base/bytes.hpp"
#include "storage/base/crc32c.hpp"
#include "storage/base/errc.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/random.hpp"
#include "storage/base/result.hpp"

namespace millrace {
namespace {

std::uint32_t crc_of(std::string_view text) {
    return crc32c(std::as_bytes(std::span(text)));
}

TEST(Crc32c, HasTheValuesOfRfc3720) {
    EXPECT_EQ(crc_of("123456789"), 0xe3069283U);
    EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aaU);
    EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43U);
    EXPECT_EQ(crc_of(""), 0U);
}

TEST(SharedBytes, JoinWhatLiesBehindInTheSameMemory) {
    const auto other = std::make_shared<const std::vector<std::byte>>(10);
    const SharedBytes whole(other, *other);
    const auto owner = std::make_shared<const std::vector<std::byte>>(10);
    const std::span<const std::byte> memory(*owner);
    SharedBytes joined(owner, memory.first(4));
    EXPECT_FALSE(joined.join(whole));
    EXPECT_FALSE(joined.join(SharedBytes(owner, memory.subspan(5))));
    EXPECT_TRUE(joined.join(SharedBytes(owner, memory.subspan(4, 3))));
    EXPECT_EQ(joined.size(), 7U);
    EXPECT_EQ(joined.span().data(), memory.data());
    EXPECT_TRUE(SharedBytes().empty());
}

TEST(Endian, WritesAndReadsBothOrders) {
    std::array<std::byte, 8> bytes{};
    store_le(std::span<std::byte>(bytes), std::uint32_t{0x01020304});
    EXPECT_EQ(bytes[0], std::byte{4});
    EXPECT_EQ(load_le<std::uint32_t>(bytes), 0x01020304U);
    store_be(std::span<std::byte>(bytes), std::uint32_t{0x01020304});
    EXPECT_EQ(bytes[0], std::byte{1});
    EXPECT_EQ(load_be<std::int16_t>(bytes), 0x0102);
}

TEST(Errc, NamesAreThereAndDiffer) {
    std::set<std::string_view> names;
    std::size_t known = 0;
    for (std::uint16_t number = 0; number < 100; ++number) {
        const auto name = name_of(static_cast<Errc>(number));
        if (name != name_of(static_cast<Errc>(999))) {
            names.insert(name);
            ++known;
        }
    }
    EXPECT_EQ(names.size(), known);
    EXPECT_GT(known, 35U);
}

TEST(Errc, RetryableAreThoseWhereNothingIsWrongWithTheRequest) {
    for (const auto code :
         {Errc::not_leader, Errc::timed_out, Errc::limit_reached, Errc::out_of_space}) {
        EXPECT_TRUE(is_retryable(code)) << name_of(code);
    }
    for (const auto code :
         {Errc::ok, Errc::malformed, Errc::unknown_topic, Errc::corrupt, Errc::record_too_large}) {
        EXPECT_FALSE(is_retryable(code)) << name_of(code);
    }
}

TEST(Random, SameSeedGivesTheSameNumbers) {
    Random a(7);
    Random b(7);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(a.next(), b.next());
        EXPECT_LT(a.below(10), 10U);
        const auto unit = b.unit();
        (void)b.below(10);
        (void)a.unit();
        EXPECT_GE(unit, 0.0);
        EXPECT_LT(unit, 1.0);
    }
}

TEST(Metrics, SameNameAndLabelsAreTheSameCounter) {
    MetricsRegistry metrics;
    auto& first = metrics.counter("a_total", "A.", {{"shard", "0"}});
    auto& other = metrics.counter("a_total", "A.", {{"shard", "1"}});
    first.add(2);
    EXPECT_EQ(metrics.counter("a_total", "A.", {{"shard", "0"}}).value(), 2U);
    EXPECT_NE(&first, &other);
    EXPECT_EQ(metrics.samples().size(), 2U);
}

TEST(Metrics, HistogramCountsInPowersOfTwo) {
    Histogram histogram;
    for (const std::uint64_t value : {0U, 1U, 2U, 3U, 4U, 5U, 1'000'000U}) {
        histogram.observe(value);
    }
    EXPECT_EQ(histogram.count(), 7U);
    EXPECT_EQ(histogram.sum(), 1'000'015U);
    EXPECT_EQ(histogram.bucket(0), 2U);   // 0 and 1
    EXPECT_EQ(histogram.bucket(1), 1U);   // 2
    EXPECT_EQ(histogram.bucket(2), 2U);   // 3 and 4
    EXPECT_EQ(histogram.bucket(20), 1U);  // up to 1,048,576
}

Result<int> half(int number) {
    if (number % 2 != 0) {
        return fail(Errc::invalid_argument, "odd");
    }
    return number / 2;
}
Result<int> quarter(int number) {
    MILLRACE_TRY(const auto once, half(number));
    return half(once);
}

TEST(Result, TryHandsTheErrorOn) {
    EXPECT_EQ(quarter(8).value(), 2);
    EXPECT_EQ(quarter(6).error().text, "odd");
    EXPECT_EQ(quarter(5).error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace
