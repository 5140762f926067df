#include "broker/consensus/group.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/runtime/manual_runtime.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::broker::consensus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint16_t some_type = 9;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

/// A group of one over a store on a simulated disk. The disk moves only when told, apart from the
/// runtime, so that a test can keep a write waiting.
class GroupTest : public ::testing::Test, public storage::StoreEvents, public StateMachine {
  protected:
    GroupTest() {
        options.directory = "/data/shard-00";
        options.segment_bytes = 256_KiB;
        options.commit_bytes_max = 64_KiB;
        options.disk_reserve_bytes = 0;
        options.background_inline = true;
        options.index_in_memory = true;
        open();
    }
    GroupTest(const GroupTest&) = delete;
    GroupTest& operator=(const GroupTest&) = delete;
    GroupTest(GroupTest&&) = delete;
    GroupTest& operator=(GroupTest&&) = delete;
    ~GroupTest() override { close(); }

    void open() {
        applied.clear();
        runtime = std::make_unique<ManualRuntime>(clock, idle_disk);
        group = std::make_unique<Group>(
            GroupOptions{.group = GroupId{1},
                         .on_failure = [this](const Error& error) { failures.push_back(error); }},
            *runtime,
            store_pointer,
            *this);
        auto opened = storage::ShardStore::open(disk, clock, metrics, options, *this);
        ASSERT_TRUE(opened) << opened.error().text;
        store = std::move(opened).value();
        store_pointer = store.get();
        if (before_start) {
            before_start();
            EXPECT_FALSE(group->start());
            return;
        }
        const auto started = group->start();
        ASSERT_TRUE(started) << started.error().text;
        (void)store->sync();
    }
    void close() {
        group.reset();
        store_pointer = nullptr;
        store.reset();
    }
    void crash() {
        disk.crash();
        close();
    }

    void propose(const std::string& text) {
        EntryBuffer entry;
        std::ranges::copy(bytes_of(text), entry.extend(text.size()).begin());
        group->propose(some_type, 0, std::move(entry), [this](const Result<RaftIndex>& result) {
            answers.push_back(result ? Errc::ok : result.error().code);
        });
    }
    /// Ends the turn: what was proposed goes to the disk, which is not done with it yet.
    void submit() { store->submit(); }

    void on_recovered_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) override {
        group->recover_frame(frame, place, in_state);
    }
    void on_durable(CommitSequence commit) override {
        group->on_durable(commit);
        store->mark_applied(std::min(commit, group->applied_upto()));
    }
    void on_failed(const Error& error) override { group->on_failed(error); }
    void on_checkpoint(storage::StateWriter& state) override { group->write_state(state); }
    void apply(const Entry& entry) override {
        applied.emplace_back(reinterpret_cast<const char*>(entry.payload.data()),
                             entry.payload.size());
        indexes.push_back(entry.index);
        places.push_back(entry.place);
    }
    /// Damages an entry that was applied in this life.
    void damage(std::size_t number) {
        const auto& place = places.at(number);
        disk.flip_bit(
            "/data/shard-00/log/000000000000000" + std::to_string(place.segment.value) + ".seg",
            place.position + storage::frame_header_bytes,
            1);
    }

    ManualClock clock;
    storage::SimDisk disk{1};
    storage::SimDisk idle_disk{2};
    storage::StoreOptions options;
    MetricsRegistry metrics;
    std::unique_ptr<ManualRuntime> runtime;
    std::unique_ptr<Group> group;
    std::unique_ptr<storage::ShardStore> store;
    storage::ShardStore* store_pointer = nullptr;
    std::vector<std::string> applied;
    std::vector<RaftIndex> indexes;
    std::vector<storage::FramePlace> places;
    std::vector<Errc> answers;
    std::vector<Error> failures;
    /// Runs when the store is open and the group has not begun, which then can't.
    std::function<void()> before_start;
};

TEST_F(GroupTest, EntryIsAppliedWhenDurableAndNotBefore) {
    propose("one");
    submit();
    EXPECT_THAT(applied, IsEmpty());
    EXPECT_THAT(answers, IsEmpty());
    disk.drain();
    EXPECT_THAT(applied, ElementsAre("one"));
    EXPECT_THAT(answers, ElementsAre(Errc::ok));
}

TEST_F(GroupTest, EntriesAreAppliedInTheirOrder) {
    for (const char* text : {"one", "two", "three"}) {
        propose(text);
        submit();
    }
    (void)store->sync();
    EXPECT_THAT(applied, ElementsAre("one", "two", "three"));
    EXPECT_TRUE(std::ranges::is_sorted(indexes));
}

TEST_F(GroupTest, RestartAppliesWhatNoCheckpointHolds) {
    propose("one");
    propose("two");
    (void)store->sync();
    crash();
    open();
    EXPECT_THAT(applied, ElementsAre("one", "two"));
    propose("three");
    (void)store->sync();
    EXPECT_THAT(applied, ElementsAre("one", "two", "three"));
}

TEST_F(GroupTest, WhatWasNotDurableIsNotAppliedAfterAPowerLoss) {
    propose("one");
    (void)store->sync();
    propose("never sent");
    crash();
    open();
    EXPECT_THAT(applied, ElementsAre("one"));
    EXPECT_THAT(answers.front(), Errc::ok);
}

TEST_F(GroupTest, EarlierTermsAreCommittedAtTheStartWithoutANewEntry) {
    for (int life = 1; life <= 3; ++life) {
        propose("life " + std::to_string(life));
        (void)store->sync();
        crash();
        open();
        EXPECT_EQ(applied.size(), static_cast<std::size_t>(life));
        EXPECT_TRUE(group->is_leader());
    }
}

TEST_F(GroupTest, SlowDiskCostsNoLeadership) {
    propose("one");
    submit();
    runtime->advance(std::chrono::seconds(60));  // a hundred election timeouts
    EXPECT_TRUE(group->is_leader());
    EXPECT_THAT(applied, IsEmpty());
    disk.drain();
    EXPECT_THAT(applied, ElementsAre("one"));
    propose("two");
    (void)store->sync();
    EXPECT_THAT(applied, ElementsAre("one", "two"));
}

TEST_F(GroupTest, FailedDiskEndsWhatIsUnderWayOnceAndRefusesTheRest) {
    // For good: the next segment is being filled beside it and may come first.
    disk.fail_call(0, EIO, storage::SimDisk::Failure::for_good);
    propose("one");
    propose("two");
    submit();
    disk.drain();
    EXPECT_THAT(answers, ElementsAre(Errc::shard_failed, Errc::shard_failed));
    propose("three");
    EXPECT_THAT(answers, ElementsAre(Errc::shard_failed, Errc::shard_failed, Errc::shard_failed));
    runtime->advance(std::chrono::seconds(60));
    EXPECT_THAT(applied, IsEmpty());
    close();  // comes back, though libraft still knew of the requests
    EXPECT_EQ(answers.size(), 3U);
}

TEST_F(GroupTest, EntryThatTheLogDoesNotTakeFailsTheGroupAndIsReportedOnce) {
    disk.set_capacity(0);  // full once the segments that are made already are
    for (int i = 0; i < 40 && failures.empty(); ++i) {
        propose(std::string(60'000, 'x'));
        (void)store->sync();
    }
    ASSERT_THAT(failures, SizeIs(1));
    EXPECT_THAT(failures.front().text, HasSubstr("full"));
    EXPECT_EQ(answers.back(), Errc::shard_failed);
    EXPECT_EQ(applied.size(), answers.size() - 1);
    disk.set_capacity(1_GiB);
    propose("space is back, and nobody knows what the log has");
    EXPECT_EQ(answers.back(), Errc::shard_failed);
    EXPECT_THAT(failures, SizeIs(1));
}

TEST_F(GroupTest, EntryThatIsGoneFromTheLogHoldsNothingUp) {
    for (const char* text : {"one", "two", "three", "four", "five", "six"}) {
        propose(text);
        (void)store->sync();
    }
    damage(1);
    crash();
    open();
    EXPECT_THAT(applied, ElementsAre("one", "three", "four", "five", "six"));
    EXPECT_TRUE(std::ranges::is_sorted(indexes.end() - 5, indexes.end()));
    EXPECT_EQ(indexes.back(), indexes.at(5));
    EXPECT_EQ(group->applied_upto(), CommitSequence{UINT64_MAX});
    propose("seven");
    (void)store->sync();
    EXPECT_EQ(group->applied_upto(), CommitSequence{UINT64_MAX});
    crash();
    open();
    EXPECT_THAT(applied, ElementsAre("one", "three", "four", "five", "six", "seven"));
    EXPECT_EQ(group->applied_upto(), CommitSequence{UINT64_MAX});
}

TEST_F(GroupTest, RecoveredEntriesStayInTheLogUntilTheyAreApplied) {
    propose("one");
    propose("two");
    (void)store->sync();
    crash();
    before_start = [this] { damage(1); };
    open();
    EXPECT_THAT(applied, ElementsAre("one"));
    ASSERT_THAT(failures, SizeIs(1));
    EXPECT_EQ(failures.front().code, Errc::corrupt);
    EXPECT_THAT(failures.front().text, HasSubstr("does not verify any more"));
}

TEST_F(GroupTest, LogWithoutItsBeginningAndWithoutStateIsRefused) {
    Group other({.group = GroupId{1}}, *runtime, store_pointer, *this);
    other.recover_frame(
        {.kind = storage::FrameKind::entry, .index = RaftIndex{5}, .term = RaftTerm{1}}, {}, false);
    const auto started = other.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::corrupt);
    EXPECT_THAT(started.error().text, HasSubstr("does not reach back"));
}

TEST_F(GroupTest, StopEndsWhatIsUnderWay) {
    propose("one");
    submit();
    group->stop();
    EXPECT_THAT(answers, ElementsAre(Errc::shutting_down));
    disk.drain();
    EXPECT_THAT(answers, ElementsAre(Errc::shutting_down));
}

TEST_F(GroupTest, StopAnswersInTheOrderOfAsking) {
    constexpr std::size_t count = 50;
    for (std::size_t i = 0; i < count; ++i) {
        propose("leaves its memory to those that come");
    }
    (void)store->sync();
    ASSERT_THAT(answers, SizeIs(count));
    std::vector<std::size_t> answered;
    for (std::size_t i = 0; i < count; ++i) {
        EntryBuffer entry;
        std::ranges::copy(bytes_of("one"), entry.extend(3).begin());
        group->propose(some_type, 0, std::move(entry), [&answered, i](const auto& /*result*/) {
            answered.push_back(i);
        });
    }
    group->stop();
    EXPECT_THAT(answered, SizeIs(count));
    EXPECT_TRUE(std::ranges::is_sorted(answered));
}

}  // namespace
}  // namespace millrace::broker::consensus
