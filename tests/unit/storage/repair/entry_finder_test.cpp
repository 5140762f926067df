#include "storage/repair/entry_finder.hpp"

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
