#include <algorithm>

#include "tests/unit/storage/index/index_fixture.hpp"

// Reads of an index that go on in rows that are held.

namespace millrace::storage::testing {
namespace {

class HeldRowsTest : public IndexFixture {
  protected:
    /// A batch of a records frame, as a truncation may take back.
    std::vector<std::byte> run_at(Offset base) const {
        const BatchHeader header{.partition = partition,
                                 .record_count = 5,
                                 .base_offset = base,
                                 .append_time_us = time_us,
                                 .batch_bytes = 100};
        std::vector<std::byte> run(header.run_bytes());
        store_batch_header(run, header);
        return run;
    }
    std::uint64_t seeks() {
        return metrics
            .counter("millrace_storage_index_seeks_total",
                     "Reads that asked the index on disk where batches lie.",
                     shard_label(ShardId{0}))
            .value();
    }
    const BatchEntry& entry_with(Offset offset) const {
        return *std::ranges::find_if(given,
                                     [&](const BatchEntry& entry) { return entry.end() > offset; });
    }
    /// The batch that a read finds first at `offset` is the one that was given, moved by so much.
    void expect_found(Offset offset, std::uint64_t moved_bytes = 0) {
        const auto found = index->find(partition, offset, 1).value();
        ASSERT_EQ(found.size(), 1U) << offset.value;
        const auto& expected = entry_with(offset);
        ASSERT_EQ(found.front().entry.base_offset, expected.base_offset) << offset.value;
        ASSERT_EQ(found.front().entry.position, expected.position + moved_bytes) << offset.value;
    }
    /// Reads `partition` from `from` to its end in steps; returns how many there were.
    std::size_t read_on(Offset from, std::size_t bytes_max) {
        std::size_t steps = 0;
        auto expected = std::ranges::find(given, from, &BatchEntry::base_offset);
        for (; expected != given.end(); ++steps) {
            const auto found = index->find(partition, expected->base_offset, bytes_max).value();
            for (const auto& place : found) {
                EXPECT_EQ(place.entry.base_offset, expected->base_offset);
                EXPECT_EQ(place.entry.position, expected->position);
                ++expected;
            }
            if (found.empty()) {
                ADD_FAILURE() << "nothing at " << expected->base_offset.value;
                break;
            }
        }
        return steps;
    }
};

TEST_F(HeldRowsTest, ReadGoesOnWithoutASeekUntilTheRowEnds) {
    fill();
    constexpr std::size_t chunks = 9;  // 600 batches a segment, 256 a chunk
    const auto steps = read_on(Offset{0}, 3 * std::size_t{given[0].run_bytes});
    EXPECT_GT(steps, 690U);
    EXPECT_LE(seeks(), chunks + 1);
    EXPECT_GE(seeks(), chunks);
}

TEST_F(HeldRowsTest, EveryStepFindsWhatAReadFromTheStartFinds) {
    fill();
    for (std::size_t batches = 1; batches < 700; batches += 37) {
        (void)read_on(given[batches].base_offset, batches * given[0].run_bytes);
    }
}

TEST_F(HeldRowsTest, ReadersInDifferentPlacesDoNotDisturbEachOther) {
    fill();
    for (std::size_t i = 0; i + 1'500 < given.size(); ++i) {
        expect_found(given[i].base_offset);
        expect_found(given[i + 700].base_offset);
        expect_found(given[i + 1'500].base_offset);
    }
    EXPECT_LT(seeks(), 40U);
}

TEST_F(HeldRowsTest, ReadThatIsAskedAgainOrGoesBackFindsTheSame) {
    fill();
    for (int i = 0; i < 5'000; ++i) {
        const auto at = random.below(given.size());
        expect_found(given[at].base_offset);
        expect_found(given[at].base_offset);
        expect_found(given[at - at % 7].base_offset);
    }
}

TEST_F(HeldRowsTest, ReadThatGoesFarAheadDoesNotPassThroughWhatLiesBetween) {
    fill();
    expect_found(Offset{0});
    KeyValueBatch batch;
    batch.put(chunk_key(partition, given[256].base_offset), "does not parse");
    ASSERT_TRUE(store->write(std::move(batch), Durability::later));
    expect_found(given[1'500].base_offset);
}

TEST_F(HeldRowsTest, RetentionTakesTheRowsOfWhatItDrops) {
    fill();
    expect_found(Offset{0});
    int chunks = 1;
    ASSERT_TRUE(index->drop_front(partition, [&](const auto&) { return chunks-- > 0; }));
    const auto first = index->bounds(partition).first;
    ASSERT_EQ(first, given[256].base_offset);
    EXPECT_EQ(index->find(partition, Offset{0}, 1).value().front().entry.base_offset, first);
    (void)read_on(first, 500);
}

TEST_F(HeldRowsTest, DroppedPartitionLeavesNone) {
    fill();
    expect_found(given[700].base_offset);
    ASSERT_TRUE(index->drop_partition(partition));
    EXPECT_TRUE(index->find(partition, given[700].base_offset, 1).value().empty());
    EXPECT_EQ(cache.size(), 0U);
    EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(HeldRowsTest, RewrittenSegmentIsReadWhereItsBatchesLieNow) {
    fill();
    expect_found(given[700].base_offset);
    expect_found(given[10].base_offset);
    const auto before = seeks();
    move_segment(SegmentSequence{2}, 4'096);
    expect_found(given[700].base_offset, 4'096);
    expect_found(given[701].base_offset, 4'096);
    EXPECT_EQ(seeks(), before + 1);
    expect_found(given[11].base_offset);
    EXPECT_EQ(seeks(), before + 1) << "another segment's row stays";
}

TEST_F(HeldRowsTest, ForgottenSegmentLeavesNone) {
    fill();
    expect_found(given[700].base_offset);
    ASSERT_EQ(cache.size(), 1U);
    KeyValueBatch batch;
    index->forget_segment(batch, SegmentSequence{2});
    EXPECT_EQ(cache.size(), 0U);
}

TEST_F(HeldRowsTest, TruncationIsSeenByTheNextRead) {
    add_many(300);
    seal();
    const auto last = given.back();
    expect_found(last.base_offset);
    // The run of a records frame that no majority had, and what its successor puts in its place.
    const auto next = index->bounds(partition).next;
    const auto run = run_at(next);
    index->add_run(segment, Position{64}, run);
    ASSERT_EQ(index->find(partition, last.base_offset, SIZE_MAX).value().size(), 2U);
    index->take_back_run(segment, Position{64}, run);
    EXPECT_EQ(index->bounds(partition).next, next);
    EXPECT_EQ(index->find(partition, last.base_offset, SIZE_MAX).value().size(), 1U);
    EXPECT_TRUE(index->find(partition, next, 1).value().empty());
    position = Position{8'192};
    add(partition, 2, time_us);
    seal();
    (void)read_on(last.base_offset, 1);
    expect_found(next);
}

TEST_F(HeldRowsTest, TruncationBehindAGapLeavesNone) {
    // A partition that nothing else tells of, and one that has a sealed end.
    for (const bool has_sealed : {false, true}) {
        if (has_sealed) {
            add_many(100);
            seal();
        }
        const auto before = index->bounds(partition);
        const auto lost = before.next + 2;
        index->add_run(segment, Position{64}, run_at(lost));
        index->add_run(segment, Position{512}, run_at(lost + 5));
        index->take_back_run(segment, Position{512}, run_at(lost + 5));
        EXPECT_EQ(index->bounds(partition).next, lost + 5);
        index->take_back_run(segment, Position{64}, run_at(lost));
        EXPECT_EQ(index->bounds(partition).first, before.first);
        EXPECT_EQ(index->bounds(partition).next, before.next);
        EXPECT_EQ(std::ranges::count(index->partitions(), partition), has_sealed ? 1 : 0);
    }
    position = Position{8'192};
    const auto next = index->bounds(partition).next;
    add(partition, 2, time_us);
    EXPECT_EQ(index->find(partition, next, SIZE_MAX).value().size(), 1U);
}

TEST_F(HeldRowsTest, TruncationBehindAGapKeepsAnEndThatIsKnownFromElsewhere) {
    const auto run = run_at(Offset{60});
    index->add_run(segment, Position{64}, run);
    index->keep_end(partition, Offset{50});
    index->take_back_run(segment, Position{64}, run);
    EXPECT_EQ(index->bounds(partition).first, Offset{50});
    EXPECT_EQ(index->bounds(partition).next, Offset{50});
}

TEST_F(HeldRowsTest, EndThatIsKnownFromElsewhereIsKeptBesideBatchesThatAreNotSealed) {
    const auto run = run_at(Offset{60});
    index->add_run(segment, Position{64}, run);
    index->keep_end(partition, Offset{50});
    KeyValueBatch batch;
    index->add_bare_partitions(batch);
    ASSERT_TRUE(store->write(std::move(batch), Durability::now));
    // The next starts find the batch, and then what takes it back, and nothing else.
    for (int start = 0; start < 2; ++start) {
        open();
        index->add_run(segment, Position{64}, run);
        index->take_back_run(segment, Position{64}, run);
        EXPECT_EQ(index->bounds(partition).first, Offset{50});
        EXPECT_EQ(index->bounds(partition).next, Offset{50});
    }
}

TEST_F(HeldRowsTest, TailThatIsSealedWhileItIsReadIsFoundOnDisk) {
    add_many(100);
    seal();
    add_many(100);
    expect_found(given[99].base_offset);
    expect_found(given[150].base_offset);
    seal();
    add_many(10);
    (void)read_on(given[99].base_offset, 1);
    (void)read_on(given[99].base_offset, SIZE_MAX);
}

TEST_F(HeldRowsTest, IndexThatIsOpenedAnewHasNone) {
    fill();
    expect_found(Offset{0});
    ASSERT_EQ(cache.size(), 1U);
    open();
    EXPECT_EQ(cache.size(), 0U);
    expect_found(Offset{0});
}

TEST_F(HeldRowsTest, RowThatDoesNotParseIsSaid) {
    fill();
    KeyValueBatch batch;
    batch.put(chunk_key(partition, Offset{0}), "\x01\x02");
    ASSERT_TRUE(store->write(std::move(batch), Durability::later));
    const auto found = index->find(partition, Offset{0}, 1);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::corrupt);
}

}  // namespace
}  // namespace millrace::storage::testing
