#include "tests/unit/storage/index/index_fixture.hpp"

namespace millrace::storage::testing {

IndexFixture::IndexFixture() {
    store = KeyValueStore::open("/index", std::make_shared<KeyValueMemory>()).value();
    open();
}

void IndexFixture::open() {
    index = std::make_unique<BatchIndex>(*store, cache);
    ASSERT_TRUE(index->load());
}

void IndexFixture::add(PartitionId to, std::uint32_t records, UnixMicros at) {
    const BatchHeader header{.partition = to,
                             .record_count = records,
                             .base_offset = index->bounds(to).next,
                             .append_time_us = at,
                             .batch_bytes = 100};
    index->add(segment, header, position);
    if (to == partition) {
        given.push_back({.base_offset = header.base_offset,
                         .record_count = records,
                         .run_bytes = static_cast<std::uint32_t>(header.run_bytes()),
                         .position = position.value,
                         .append_time_us = at});
    }
    position += header.run_bytes();
}

void IndexFixture::seal() {
    const auto job = index->begin_seal(segment, {});
    KeyValueBatch batch;
    job.add_to(batch);
    ASSERT_TRUE(store->write(std::move(batch), Durability::later));
    ASSERT_TRUE(index->end_seal(job));
    segment = SegmentSequence{segment.value + 1};
    position = Position{0};
}

void IndexFixture::add_many(std::size_t batches) {
    for (std::size_t i = 0; i < batches; ++i) {
        time_us += static_cast<UnixMicros>(random.below(3));
        add(partition, 1 + static_cast<std::uint32_t>(random.below(3)), time_us);
        add(other, 1, time_us);
    }
}

void IndexFixture::fill() {
    for (int i = 0; i < 3; ++i) {
        add_many(600);
        seal();
    }
    add_many(300);
}

void IndexFixture::move_segment(SegmentSequence moved, std::uint64_t bytes) {
    std::vector<BatchIndex::MovedChunk> chunks;
    ASSERT_TRUE(store->visit(chunk_prefix(partition), "", [&](auto, std::string_view value) {
        auto chunk = parse_chunk(value).value();
        for (auto& entry : chunk.entries) {
            entry.position += bytes;
        }
        if (chunk.segment == moved) {
            chunks.push_back({.partition = partition,
                              .first = chunk.entries.front().base_offset,
                              .row = format_chunk(chunk)});
        }
        return true;
    }));
    ASSERT_FALSE(chunks.empty());
    ASSERT_TRUE(index->move_batches(moved, 0, 1, chunks));
}

}  // namespace millrace::storage::testing
