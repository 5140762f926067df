#include "storage/repair/segment_repair.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/copy/power_cut.hpp"
#include "tests/unit/storage/repair/repair_fixture.hpp"

#include "storage/format/layout.hpp"
#include "storage/repair/entry_image.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t damaged_segment = 2;
constexpr std::uint64_t payload_at = frame_header_bytes + 30;

class SegmentRepairTest : public ::testing::Test {
  protected:
    SegmentRepairTest() {
        pair.publish(60);
        before = pair.own.disk.contents(ReplicaPair::path_of(damaged_segment));
        places = pair.places(damaged_segment);
    }
    /// In the middle of the segment, with four frames.
    [[nodiscard]] const ReplicaPair::Place& place() const {
        auto at = places.size() / 2;
        while (places[at].frames.size() < 4) {
            ++at;
        }
        return places[at];
    }
    void expect_repaired(std::uint32_t commits, std::uint32_t frames) {
        pair.find_damage(damaged_segment);
        ASSERT_THAT(pair.own.store->damaged_segments(),
                    ElementsAre(SegmentSequence{damaged_segment}));
        const auto outcome = pair.repair();
        ASSERT_TRUE(outcome) << outcome.error().text;
        EXPECT_EQ(outcome.value().commits, commits);
        EXPECT_EQ(outcome.value().frames, frames);
        EXPECT_THAT(pair.own.store->damaged_segments(), IsEmpty());
        pair.expect_same_file(damaged_segment, before);
        pair.expect_all_records();
    }
    void expect_lost(const std::string& why) {
        pair.find_damage(damaged_segment);
        const auto damaged = pair.own.disk.contents(ReplicaPair::path_of(damaged_segment));
        const auto outcome = pair.repair();
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::corrupt);
        EXPECT_THAT(outcome.error().text, HasSubstr(why));
        EXPECT_EQ(pair.own.disk.contents(ReplicaPair::path_of(damaged_segment)), damaged);
        EXPECT_THAT(pair.own.store->damaged_segments(), SizeIs(1));
        EXPECT_FALSE(pair.own.store->begin_repair()) << "it would be tried again";
    }

    ReplicaPair pair;
    std::vector<std::byte> before;
    std::vector<ReplicaPair::Place> places;
};

TEST_F(SegmentRepairTest, BitOfAPayloadIsFetched) {
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    expect_repaired(1, 1);
    EXPECT_THAT(pair.source.fetched, SizeIs(1));
}

TEST_F(SegmentRepairTest, SeveralFramesOfACommitAreFetched) {
    pair.damage(damaged_segment, place().frames[0] + payload_at);
    pair.damage(damaged_segment, place().frames[2] + payload_at);
    expect_repaired(1, 2);
}

TEST_F(SegmentRepairTest, HeaderOfACommitIsMadeFromItsFrames) {
    pair.damage(damaged_segment, place().commit + 16, 8);
    expect_repaired(1, 0);
    EXPECT_THAT(pair.source.fetched, IsEmpty());
}

TEST_F(SegmentRepairTest, HeadOfACommitWithAFrameIsFetchedByItsNeighbours) {
    pair.damage(damaged_segment, place().commit, CommitHeader::bytes + frame_header_bytes);
    expect_repaired(1, 1);
}

TEST_F(SegmentRepairTest, AllFramesOfACommitAreFetchedByTheirNeighbours) {
    const auto& lost = place();
    pair.damage(damaged_segment, lost.commit, lost.frames.back() + 80 - lost.commit);
    expect_repaired(1, static_cast<std::uint32_t>(lost.frames.size()));
}

TEST_F(SegmentRepairTest, HeaderOfTheSegmentIsWrittenAgain) {
    pair.damage(damaged_segment, 50, 8);
    expect_repaired(0, 0);
}

TEST_F(SegmentRepairTest, DamageInSeveralCommitsIsRepairedAtOnce) {
    for (const auto at : {std::size_t{0}, places.size() / 2, places.size() - 1}) {
        pair.damage(damaged_segment, places[at].frames[0] + payload_at);
    }
    expect_repaired(3, 3);
}

TEST_F(SegmentRepairTest, AnyByteOfACommitIsRepairedOrWasPadding) {
    const auto& lost = place();
    for (auto at = lost.commit; at < lost.commit + lost.commit_bytes && !HasFailure(); at += 3) {
        SCOPED_TRACE("byte " + std::to_string(at - lost.commit));
        pair.damage(damaged_segment, at);
        pair.own.store->note_damaged({SegmentSequence{damaged_segment}});
        const auto outcome = pair.repair();
        ASSERT_TRUE(outcome) << outcome.error().text;
        if (outcome.value().is_new_file) {
            pair.expect_same_file(damaged_segment, before);
        } else {
            pair.damage(damaged_segment, at);
        }
    }
    pair.expect_all_records();
}

TEST_F(SegmentRepairTest, SeveralCommitsThatAreLostAreNotRepaired) {
    const auto at = places.size() / 2;
    pair.damage(damaged_segment, places[at].commit, CommitHeader::bytes);
    pair.damage(damaged_segment, places[at + 1].commit, CommitHeader::bytes);
    expect_lost("several commits do not verify");
}

TEST_F(SegmentRepairTest, EntryThatNobodyHasIsNotRepaired) {
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.source.refuse = [] { return fail(Errc::not_found, "it is not here"); };
    expect_lost("no other node has them");
}

TEST_F(SegmentRepairTest, WhatOnlyThisReplicaHasIsNotRepaired) {
    const FrameView vote{.kind = FrameKind::hard_state, .group = GroupId{1}};
    const auto at = pair.own.store->append(vote);
    ASSERT_TRUE(at);
    const auto segment = at.value().segment.value;
    pair.publish(40);
    pair.damage(segment, at.value().position.value + frame_header_bytes - 1);
    pair.find_damage(segment);
    const auto outcome = pair.repair();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::corrupt);
}

TEST_F(SegmentRepairTest, OthersThatCannotBeAskedAreAskedAgain) {
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.find_damage(damaged_segment);
    pair.source.refuse = [] { return fail(Errc::unavailable, "nobody is linked"); };
    for (int i = 0; i < 3; ++i) {
        const auto outcome = pair.repair();
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::unavailable);
    }
    pair.source.refuse = {};
    expect_repaired(1, 1);
}

TEST_F(SegmentRepairTest, AnotherEntryThanWasAskedForIsRefused) {
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.find_damage(damaged_segment);
    pair.source.in_transit = [](std::vector<std::byte>& image) {
        auto frame = load_frame(image, entry_image_seed).value();
        frame.index = frame.index + 1;
        image = format_entry_image(frame);
    };
    const auto outcome = pair.repair();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::malformed);
    pair.source.in_transit = [](std::vector<std::byte>& image) { image.back() ^= std::byte{1}; };
    EXPECT_FALSE(pair.repair());
    pair.source.in_transit = {};
    expect_repaired(1, 1);
}

TEST_F(SegmentRepairTest, DamageThatAnEarlierLifeFoundIsRepaired) {
    pair.own.close();
    ASSERT_TRUE(pair.own.open());
    pair.own.run_turns(3);
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.own.store->note_damaged({SegmentSequence{damaged_segment}, SegmentSequence{99}});
    EXPECT_THAT(pair.own.damages, SizeIs(1));
    expect_repaired(1, 1);
}

TEST_F(SegmentRepairTest, PowerLossAtAnyCallLeavesOneOfTheTwoWhole) {
    bool is_done = false;
    bool was_old = false;
    bool was_new = false;
    for (std::uint64_t calls = 0; !is_done && !HasFailure() && calls < 100; ++calls) {
        SCOPED_TRACE("power goes after " + std::to_string(calls) + " calls");
        const auto path = ReplicaPair::path_of(damaged_segment);
        pair.damage(damaged_segment, place().frames[1] + payload_at);
        const auto damaged = pair.own.disk.contents(path);
        pair.own.store->note_damaged({SegmentSequence{damaged_segment}});
        PowerCut power(pair.own.disk, calls);
        is_done = pair.repair(power).has_value();
        pair.own.crash();
        const auto after = pair.own.disk.contents(path);
        ASSERT_TRUE(after == damaged || after == before);
        was_old |= after == damaged;
        was_new |= !is_done && after == before;
        if (after == damaged) {
            pair.damage(damaged_segment, place().frames[1] + payload_at);  // heals it
        }
        ASSERT_TRUE(pair.own.open());
        EXPECT_THAT(pair.own.disk.paths(), ::testing::Each(::testing::Not(HasSubstr(".repair"))));
        EXPECT_EQ(pair.own.store->stats().frames_quarantined, 0U);
        pair.expect_all_records();
        pair.own.run_turns(3);  // seals what the rebuilt index has
    }
    EXPECT_TRUE(is_done);
    EXPECT_TRUE(was_old);
    EXPECT_TRUE(was_new);
}

TEST_F(SegmentRepairTest, ItsRecordsAreReadByTheStoresDiskNotByThatOfWhoWroteTheFile) {
    constexpr std::uint64_t enough_calls = 1'000'000;
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.find_damage(damaged_segment);
    PowerCut other(pair.own.disk, enough_calls);
    ASSERT_TRUE(pair.repair(other));
    other.cut();
    pair.expect_all_records();
}

TEST_F(SegmentRepairTest, FullDiskLeavesTheSegmentAsItIs) {
    pair.damage(damaged_segment, place().frames[1] + payload_at);
    pair.find_damage(damaged_segment);
    pair.own.disk.set_capacity(1);
    ASSERT_FALSE(pair.repair());
    EXPECT_THAT(pair.own.disk.paths(), ::testing::Each(::testing::Not(HasSubstr(".repair"))));
    pair.own.disk.set_capacity(std::uint64_t{1} << 40U);
    expect_repaired(1, 1);
}

}  // namespace
}  // namespace millrace::storage::testing
