#include "broker/shard/intake/event_index.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr UnixMicros start_us = 1'700'000'000'000'000;

wire::EventId id_of(std::uint64_t number) {
    return {.low = number, .high = ~number};
}

EventPlace place_of(std::uint64_t offset, std::uint64_t proposal = 0) {
    return {.offset = Offset{offset},
            .append_time_us = start_us + static_cast<UnixMicros>(offset),
            .proposal = proposal};
}

class Rows final : public storage::StateWriter {
  public:
    void put(std::string_view key, std::string_view value) override {
        rows[std::string(key)] = value;
        ++puts;
    }
    void erase(std::string_view key) override { rows.erase(std::string(key)); }

    std::map<std::string, std::string> rows;
    int puts = 0;
};

class EventIndexTest : public ::testing::Test {
  protected:
    void add(std::uint64_t begin, std::uint64_t end) {
        for (auto i = begin; i < end; ++i) {
            index.add(id_of(i), place_of(i));
        }
    }
    [[nodiscard]] EventIndex reread() const {
        EventIndex again;
        for (const auto& [key, row] : state.rows) {
            const auto parsed = again.parse_row(row);
            EXPECT_TRUE(parsed) << parsed.error().text;
        }
        return again;
    }

    EventIndex index;
    Rows state;
};

TEST_F(EventIndexTest, FindsWhatWasAddedAndNothingElse) {
    add(0, 3);
    ASSERT_NE(index.find(id_of(1)), nullptr);
    EXPECT_EQ(index.find(id_of(1))->offset, Offset{1});
    EXPECT_EQ(index.find({.low = 1, .high = 0}), nullptr);
    EXPECT_EQ(index.oldest_time_us(), start_us);
    EXPECT_EQ(index.end(), Offset{3});
}

TEST_F(EventIndexTest, OldestGoFirst) {
    add(0, 3);
    index.drop_oldest();
    EXPECT_EQ(index.find(id_of(0)), nullptr);
    EXPECT_NE(index.find(id_of(1)), nullptr);
    EXPECT_EQ(index.size(), 2U);
}

TEST_F(EventIndexTest, IdThatCameAgainStaysWithItsYoungerPlace) {
    add(0, 2);
    index.add(id_of(0), place_of(7));
    index.drop_oldest();
    ASSERT_NE(index.find(id_of(0)), nullptr);
    EXPECT_EQ(index.find(id_of(0))->offset, Offset{7});
    EXPECT_EQ(index.size(), 2U);
}

TEST_F(EventIndexTest, LostEntryTakesItsIdsWithIt) {
    add(0, 2);
    index.add(id_of(2), place_of(2, 9));
    index.add(id_of(0), place_of(3, 9));
    index.drop_proposal(9);
    EXPECT_EQ(index.find(id_of(2)), nullptr);
    ASSERT_NE(index.find(id_of(0)), nullptr);
    EXPECT_EQ(index.find(id_of(0))->offset, Offset{0});
}

TEST_F(EventIndexTest, RowsGiveBackWhatWasWrittenAndOnlyWhatIsCommitted) {
    add(0, 5);
    index.write_rows(Offset{3}, "e/7/", state);
    EXPECT_THAT(state.rows, ElementsAre(Pair("e/7/00000000000000000000", SizeIs(4 + 3 * 32))));
    const auto again = reread();
    EXPECT_EQ(again.size(), 3U);
    ASSERT_NE(again.find(id_of(2)), nullptr);
    EXPECT_EQ(again.find(id_of(2))->offset, Offset{2});
    EXPECT_EQ(again.find(id_of(2))->append_time_us, start_us + 2);
    EXPECT_EQ(again.find(id_of(3)), nullptr);
}

TEST_F(EventIndexTest, CheckpointWritesWhatIsNewAndNothingAgain) {
    add(0, 5'000);
    index.write_rows(Offset{5'000}, "e/7/", state);
    EXPECT_EQ(state.puts, 3);  // 2048, 2048, 904
    index.write_rows(Offset{5'000}, "e/7/", state);
    EXPECT_EQ(state.puts, 3);
    add(5'000, 5'001);
    index.write_rows(Offset{5'001}, "e/7/", state);
    EXPECT_EQ(state.puts, 4);
    EXPECT_EQ(reread().size(), 5'001U);
}

TEST_F(EventIndexTest, RowGoesWithTheLastOfItsIdsAlsoAfterARestart) {
    add(0, 4);
    index.write_rows(Offset{2}, "e/7/", state);
    index.write_rows(Offset{4}, "e/7/", state);
    auto again = reread();
    again.drop_oldest();
    again.write_rows(Offset{4}, "e/7/", state);
    EXPECT_EQ(state.rows.size(), 2U);
    again.drop_oldest();
    again.write_rows(Offset{4}, "e/7/", state);
    EXPECT_THAT(state.rows, ElementsAre(Pair("e/7/00000000000000000002", SizeIs(4 + 2 * 32))));
    again.drop_oldest();
    again.drop_oldest();
    again.write_rows(Offset{4}, "e/7/", state);
    EXPECT_THAT(state.rows, IsEmpty());
}

TEST_F(EventIndexTest, RowThatIsDamagedIsRefused) {
    add(0, 2);
    index.write_rows(Offset{2}, "e/7/", state);
    const auto row = state.rows.begin()->second;
    EventIndex again;
    EXPECT_EQ(again.parse_row("").error().code, Errc::corrupt);
    EXPECT_EQ(again.parse_row(row.substr(0, 40)).error().code, Errc::corrupt);
    ASSERT_TRUE(again.parse_row(row));
    const auto repeated = again.parse_row(row);
    ASSERT_FALSE(repeated);
    EXPECT_THAT(repeated.error().text, HasSubstr("from offset 0 behind one up to 2"));
}

}  // namespace
}  // namespace millrace::broker
