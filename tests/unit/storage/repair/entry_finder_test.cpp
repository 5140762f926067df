#include "storage/repair/entry_finder.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/repair/entry_image.hpp"

namespace millrace::storage::testing {
namespace {

constexpr GroupId group{1};

class EntryFinderTest : public ::testing::Test {
  protected:
    EntryFinderTest() {
        fixture.options.is_replicated = true;
        EXPECT_TRUE(fixture.open());
    }
    /// Records, or the segments would be recycled.
    void append(FrameKind kind, std::uint64_t index, std::uint64_t term) {
        const bool is_entry = kind == FrameKind::entry;
        const auto run = is_entry
                             ? make_run(PartitionId{1}, Offset{next_++}, 1, text_of(index, term))
                             : std::vector<std::byte>();
        const auto place =
            fixture.store->append({.kind = kind,
                                   .entry_type = is_entry ? entry_type_records : std::uint16_t{0},
                                   .group = group,
                                   .batch_count = is_entry ? 1U : 0U,
                                   .index = RaftIndex{index},
                                   .term = RaftTerm{term},
                                   .payload = run});
        ASSERT_TRUE(place);
        fixture.run();
        fixture.store->index_batches(place.value(), run);
    }
    void append_all(std::uint64_t first, std::uint64_t last, std::uint64_t term) {
        for (auto index = first; index <= last; ++index) {
            append(FrameKind::entry, index, term);
        }
    }
    static std::string text_of(std::uint64_t index, std::uint64_t term) {
        return std::to_string(index) + " of " + std::to_string(term);
    }
    Result<std::string> find(std::uint64_t index, std::uint64_t term, GroupId of = group) {
        const EntryRequest request{.group = of, .index = RaftIndex{index}, .term = RaftTerm{term}};
        std::optional<Result<std::vector<std::byte>>> answer;
        fixture.store->find_entry(request, [&answer](Result<std::vector<std::byte>> image) {
            answer = std::move(image);
        });
        fixture.store->tick();
        if (!answer) {
            return fail(Errc::internal, "no answer");
        }
        MILLRACE_TRY(const auto image, std::move(*answer));
        MILLRACE_TRY(const auto frame, parse_entry_image(image, request));
        const auto* const begin = reinterpret_cast<const char*>(frame.payload.data());
        const std::string payload(begin, frame.payload.size());
        const auto text = text_of(frame.index.value, frame.term.value);
        return payload.find(text) == std::string::npos ? "something else" : text;
    }
    /// What the entry says, or why it is not found.
    std::string text_found(std::uint64_t index, std::uint64_t term) {
        const auto found = find(index, term);
        return found ? found.value() : found.error().text;
    }
    /// Index and term of the group's entries in the order of the log, from where `index` is found.
    Result<std::vector<std::pair<std::uint64_t, std::uint64_t>>> scan_from(std::uint64_t index,
                                                                           GroupId of = group) {
        std::optional<Result<ScanCursor>> place;
        fixture.store->seek_entry(
            of, RaftIndex{index}, [&place](Result<ScanCursor> found) { place = std::move(found); });
        fixture.store->tick();
        MILLRACE_TRY(auto cursor, place.value());
        std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
        for (bool at_end = false; !at_end;) {
            std::optional<Result<EntryScanResult>> answer;
            fixture.store->scan_entries(
                of, cursor, [&answer](Result<EntryScanResult> read) { answer = std::move(read); });
            fixture.disk.run_completions();
            MILLRACE_TRY(const auto read, std::move(answer.value()));
            for (const auto& entry : read.entries) {
                found.emplace_back(entry.index.value, entry.term.value);
            }
            cursor = read.next;
            at_end = read.at_end;
        }
        return found;
    }
    Errc code_of(std::uint64_t index, std::uint64_t term, GroupId of = group) {
        const auto found = find(index, term, of);
        return found ? Errc::ok : found.error().code;
    }

    StoreFixture fixture;

  private:
    std::uint64_t next_ = 0;
};

TEST_F(EntryFinderTest, EveryEntryIsFoundInWhicheverSegmentItIs) {
    append_all(1, 80, 3);
    ASSERT_GT(fixture.store->list_segments().size(), 4U);
    for (std::uint64_t index = 1; index <= 80; ++index) {
        EXPECT_EQ(text_found(index, 3), text_of(index, 3));
        EXPECT_EQ(text_found(index, 0), text_of(index, 3));
    }
    EXPECT_EQ(code_of(81, 0), Errc::not_found);
    EXPECT_EQ(code_of(0, 0), Errc::not_found);
    EXPECT_EQ(code_of(40, 2), Errc::not_found);
}

TEST_F(EntryFinderTest, GroupWithoutEntriesIsNotSearchedThroughTheWholeLog) {
    append_all(1, 300, 1);
    EXPECT_EQ(code_of(1, 0, GroupId{7}), Errc::not_found);
}

TEST_F(EntryFinderTest, EntryInPlaceOfOneThatWasTruncatedIsFound) {
    append_all(1, 28, 1);
    append(FrameKind::truncate, 20, 0);
    append_all(20, 60, 2);
    for (std::uint64_t index = 1; index <= 60; ++index) {
        const std::uint64_t term = index < 20 ? 1 : 2;
        EXPECT_EQ(text_found(index, 0), text_of(index, term));
        EXPECT_EQ(text_found(index, term), text_of(index, term));
    }
}

TEST_F(EntryFinderTest, ScanComesToEveryEntryFromWhereItIsSought) {
    append_all(1, 80, 3);
    for (std::uint64_t index = 1; index <= 80; ++index) {
        const auto found = scan_from(index);
        ASSERT_TRUE(found) << found.error().text;
        ASSERT_FALSE(found.value().empty());
        const auto first = found.value().front().first;
        EXPECT_LE(first, index);
        EXPECT_GT(first + 30, index) << "of the segment it is in, not of the whole log";
        ASSERT_EQ(found.value().size(), 81 - first);
        for (auto expected = first; const auto& entry : found.value()) {
            EXPECT_EQ(entry, std::pair(expected++, std::uint64_t{3}));
        }
    }
    EXPECT_EQ(scan_from(0).error().code, Errc::not_found);
}

TEST_F(EntryFinderTest, ScanShowsWhatWasTruncatedToo) {
    append_all(1, 28, 1);
    append(FrameKind::truncate, 20, 0);
    append_all(20, 60, 2);
    const auto found = scan_from(19);
    ASSERT_TRUE(found);
    const auto holds = [&found](std::uint64_t index, std::uint64_t term) {
        return std::ranges::find(found.value(), std::pair(index, term)) != found.value().end();
    };
    EXPECT_TRUE(holds(19, 1));
    EXPECT_TRUE(holds(25, 1));
    EXPECT_TRUE(holds(25, 2));
    EXPECT_TRUE(holds(60, 2));
}

TEST_F(EntryFinderTest, ScanShowsOneGroup) {
    append_all(1, 20, 1);
    EXPECT_EQ(scan_from(1, GroupId{7}).error().code, Errc::not_found);
    const auto found = scan_from(5);
    ASSERT_TRUE(found);
    EXPECT_EQ(found.value().back(), std::pair(std::uint64_t{20}, std::uint64_t{1}));
}

TEST_F(EntryFinderTest, ScanTellsOfDamage) {
    append_all(1, 80, 1);
    const auto segment = fixture.store->list_segments().at(1).segment;
    fixture.disk.flip_bit(
        fixture.options.directory + "/log/" + format_segment_name({.sequence = segment}),
        Position{2 * 4096 + 130},
        3);
    const auto found = scan_from(1);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::corrupt);
    fixture.run_turns(20);
    EXPECT_FALSE(fixture.damages.empty());
}

TEST_F(EntryFinderTest, TooManyAtATimeAreRefused) {
    append_all(1, 3, 1);
    std::size_t answers = 0;
    std::optional<Error> refusal;
    for (std::size_t i = 0; i <= EntryFinder::waiting_max; ++i) {
        fixture.store->find_entry({.group = group, .index = RaftIndex{2}, .term = {}},
                                  [&](const Result<std::vector<std::byte>>& image) {
                                      answers += image ? 1U : 0U;
                                      refusal = image ? refusal : std::optional(image.error());
                                  });
    }
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code, Errc::limit_reached);
    fixture.run_turns(static_cast<int>(EntryFinder::waiting_max));
    EXPECT_EQ(answers, EntryFinder::waiting_max);
}

}  // namespace
}  // namespace millrace::storage::testing
