#include "tests/unit/storage/index/index_fixture.hpp"

namespace millrace::storage::testing {
namespace {

class BatchIndexTest : public IndexFixture {
  protected:
    Offset expected_at(UnixMicros at) const {
        const auto first = index->bounds(partition).first;
        for (const auto& entry : given) {
            if (entry.append_time_us >= at && entry.base_offset >= first) {
                return entry.base_offset;
            }
        }
        return index->bounds(partition).next;
    }
    void expect_every_time() const {
        for (UnixMicros at = begin_us - 2; at < time_us + 3; ++at) {
            ASSERT_EQ(index->offset_at(partition, at).value(), expected_at(at)) << at;
        }
    }
};

TEST_F(BatchIndexTest, FindsEveryOffsetWhereverItLies) {
    fill();
    for (const auto& entry : given) {
        for (auto offset = entry.base_offset; offset < entry.end(); offset = offset + 1) {
            const auto found = index->find(partition, offset, 1).value();
            ASSERT_EQ(found.size(), 1U);
            ASSERT_EQ(found.front().entry.base_offset, entry.base_offset) << offset.value;
        }
    }
    EXPECT_TRUE(index->find(partition, index->bounds(partition).next, 1).value().empty());
}

TEST_F(BatchIndexTest, FindsAllOfAPartitionInOrderAcrossChunksAndSegments) {
    fill();
    const auto all = index->find(partition, Offset{0}, SIZE_MAX).value();
    ASSERT_EQ(all.size(), given.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i].entry.base_offset, given[i].base_offset);
    }
    EXPECT_EQ(all.front().segment, SegmentSequence{1});
    EXPECT_EQ(all.back().segment, SegmentSequence{4});
    const auto some = index->find(partition, Offset{0}, std::size_t{300} * given[0].run_bytes);
    EXPECT_EQ(some.value().size(), 300U);
}

TEST_F(BatchIndexTest, FindsEveryTimeAlsoBehindWhatWasDropped) {
    fill();
    expect_every_time();
    int chunks = 4;
    ASSERT_TRUE(index->drop_front(partition, [&](const auto&) { return chunks-- > 0; }));
    ASSERT_GT(index->bounds(partition).first, given[0].base_offset);
    expect_every_time();
    const auto first = index->bounds(partition).first;
    EXPECT_EQ(index->find(partition, first, 1).value().front().entry.base_offset, first);
}

TEST_F(BatchIndexTest, ReadsItsRowsAgain) {
    fill();
    seal();
    const auto bounds = index->bounds(partition);
    open();
    EXPECT_EQ(index->bounds(partition).next, bounds.next);
    EXPECT_EQ(index->bounds(partition).live_bytes, bounds.live_bytes);
    EXPECT_EQ(index->last_time_us(), time_us);
    expect_every_time();
}

TEST_F(BatchIndexTest, APartitionThatIsDroppedWhileItsSegmentIsSealedLeavesNoChunks) {
    add_many(600);
    const auto job = index->begin_seal(segment, {});
    ASSERT_TRUE(index->drop_partition(partition));
    KeyValueBatch batch;
    job.add_to(batch);
    ASSERT_TRUE(store->write(std::move(batch), Durability::later));
    ASSERT_TRUE(index->end_seal(job));
    std::size_t chunks = 0;
    ASSERT_TRUE(store->visit(chunk_prefix(partition), "", [&](auto, auto) {
        ++chunks;
        return true;
    }));
    EXPECT_EQ(chunks, 0U);
    EXPECT_EQ(index->sealed_segments().at(segment).live_bytes, index->bounds(other).live_bytes);
    EXPECT_EQ(index->find(other, Offset{0}, SIZE_MAX).value().size(), 600U);
}

TEST_F(BatchIndexTest, OthersGoOnInASegmentThatIsSealedWhileAPartitionIsDropped) {
    add_many(50);
    const auto job = index->begin_seal(segment, {});
    ASSERT_TRUE(index->drop_partition(partition));
    add(other, 1, time_us);
    EXPECT_EQ(index->find(other, Offset{0}, SIZE_MAX).value().size(), 51U);
    EXPECT_EQ(job.batches->at(other).size(), 50U) << "what the other thread reads stays";
}

TEST(KeyValueMemory, KeepsRowsFromOneOpeningToTheNext) {
    const auto memory = std::make_shared<KeyValueMemory>();
    const auto open = [&memory] { return KeyValueStore::open("/index", memory).value(); };
    KeyValueBatch batch;
    batch.put("key", "value");
    ASSERT_TRUE(open()->write(std::move(batch), Durability::later));
    EXPECT_EQ(open()->load("key").value(), "value");
    ASSERT_TRUE(KeyValueStore::destroy("/index", memory.get()));
    EXPECT_EQ(open()->load("key").value(), std::nullopt);
}

}  // namespace
}  // namespace millrace::storage::testing
