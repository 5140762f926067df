#include <gtest/gtest.h>

#include "client/wire/partitioner.hpp"
#include "client/wire/topic_pattern.hpp"
#include "client/wire/varint.hpp"

namespace millrace::wire {
namespace {

TEST(TopicName, IsWordsJoinedByDots) {
    for (const char* name : {"a", "plant1.mes.workorder.finished", "a-b_c.d2"}) {
        EXPECT_TRUE(is_topic_name(name)) << name;
    }
    for (const char* name : {"", ".", "a.", ".a", "a..b", "A", "a b", "a.*", "a.>", "ä"}) {
        EXPECT_FALSE(is_topic_name(name)) << name;
    }
    EXPECT_TRUE(is_topic_name(std::string(249, 'a')));
    EXPECT_FALSE(is_topic_name(std::string(250, 'a')));
}

TEST(TopicPattern, StarIsOneWordAndGreaterIsTheRest) {
    EXPECT_TRUE(is_topic_pattern("a.*.c"));
    EXPECT_TRUE(is_topic_pattern("a.>"));
    EXPECT_TRUE(is_topic_pattern(">"));
    EXPECT_FALSE(is_topic_pattern("a.>.c"));
    EXPECT_FALSE(is_topic_pattern("a.b*"));
    EXPECT_TRUE(is_match("a.*.c", "a.b.c"));
    EXPECT_FALSE(is_match("a.*.c", "a.b.b.c"));
    EXPECT_FALSE(is_match("a.*", "a"));
    EXPECT_TRUE(is_match("a.>", "a.b"));
    EXPECT_TRUE(is_match("a.>", "a.b.c.d"));
    EXPECT_FALSE(is_match("a.>", "a"));
    EXPECT_FALSE(is_match("a.>", "ab.c"));
    EXPECT_TRUE(is_match(">", "a"));
    EXPECT_TRUE(is_match("a.b", "a.b"));
    EXPECT_FALSE(is_match("a.b", "a.bc"));
}

TEST(Partitioner, IsTheSameForEver) {
    // XXH3-64 as its authors publish it: the empty text, and what every client must agree on.
    EXPECT_EQ(stable_hash(""), 0x2d06800538d394c2U);
    EXPECT_EQ(partition_of_key("", 100), 0x2d06800538d394c2U % 100);
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        EXPECT_LT(partition_of_key(std::to_string(i), 7), 7U);
    }
    EXPECT_EQ(partition_of_key("any", 1), 0U);
}

TEST(Partitioner, SpreadsKeysEvenly) {
    std::vector<int> counts(10);
    for (int i = 0; i < 10'000; ++i) {
        ++counts[partition_of_key("work order " + std::to_string(i), 10)];
    }
    for (const auto count : counts) {
        EXPECT_NEAR(count, 1'000, 150);
    }
}

TEST(Varint, KeepsEveryNumber) {
    for (const std::int64_t value : {std::int64_t{0},
                                     std::int64_t{-1},
                                     std::int64_t{1},
                                     std::int64_t{63},
                                     std::int64_t{64},
                                     std::int64_t{-65},
                                     INT64_MAX,
                                     INT64_MIN}) {
        std::vector<std::byte> bytes;
        append_varint(bytes, value);
        EXPECT_EQ(bytes.size(), varint_bytes(value)) << value;
        ByteReader reader(bytes);
        EXPECT_EQ(reader.read_varint(), value);
        EXPECT_FALSE(reader.failed());
        EXPECT_EQ(reader.rest_bytes(), 0U);
    }
}

TEST(Varint, UnendingOneAndMissingBytesFail) {
    const std::vector<std::byte> unending(11, std::byte{0xff});
    ByteReader reader(unending);
    EXPECT_EQ(reader.read_varint(), 0);
    EXPECT_TRUE(reader.failed());
    const auto three = std::span(unending).first(3);
    ByteReader cut(three);
    EXPECT_EQ(cut.read_varint(), 0);
    EXPECT_TRUE(cut.failed());
    ByteReader few(three);
    EXPECT_TRUE(few.read_bytes(4).empty());
    EXPECT_TRUE(few.failed());
    EXPECT_EQ(few.read_byte(), std::byte{0});
}

}  // namespace
}  // namespace millrace::wire
