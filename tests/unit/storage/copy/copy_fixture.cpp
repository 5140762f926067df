#include "tests/unit/storage/copy/copy_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/copy/copy_paths.hpp"
#include "storage/copy/shard_copy.hpp"
#include "storage/format/layout.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage::testing {

Result<std::vector<SegmentExtent>> StoreSource::list() {
    ++lists;
    listed = leader_.store->list_segments();
    return listed;
}

Result<std::vector<std::byte>> StoreSource::read(const SegmentRead& request) {
    const auto number = reads++;
    if (number >= connection_ends_at) {
        return fail(Errc::connection_lost, "the leader is gone");
    }
    if (before_read) {
        before_read(number);
    }
    std::optional<Result<std::vector<std::byte>>> answer;
    leader_.store->read_segment(
        request, [&answer](Result<std::vector<std::byte>> bytes) { answer = std::move(bytes); });
    leader_.disk.drain();
    if (!answer) {
        return fail(Errc::internal, "the leader does not answer");
    }
    MILLRACE_TRY(auto bytes, std::move(*answer));
    if (in_transit) {
        in_transit(request, bytes);
    }
    return bytes;
}

void StoreSource::doubt(const SegmentExtent& extent) {
    leader_.store->check_segment(extent.segment, extent.hash_seed);
}

CopyLeader::CopyLeader() {
    EXPECT_TRUE(fixture.open());
}

void CopyLeader::publish(int rounds) {
    for (int i = 0; i < rounds; ++i) {
        for (std::uint32_t p = 0; p < partitions; ++p) {
            const auto text = std::to_string(p) + ":" + std::to_string(next_++) +
                              std::string(random_.below(1'500), 'x');
            ASSERT_TRUE(fixture.publish(PartitionId{p}, text));
            published.push_back(text);
        }
        fixture.put("row" + std::to_string(i % 7), std::to_string(next_));
        fixture.run();
    }
}

void CopyLeader::cluster() {
    fixture.store->set_clustered(PartitionId{0}, true);
    for (int i = 0; i < 60; ++i) {
        fixture.clock.advance(std::chrono::milliseconds(500));
        fixture.run();
    }
}

void CopyLeader::expect_same(StoreFixture& replica) {
    const auto stats = replica.store->stats();
    EXPECT_EQ(stats.frames_quarantined, 0U);
    EXPECT_EQ(stats.torn_tails_cut, 0U);
    for (std::uint32_t p = 0; p < partitions; ++p) {
        const PartitionId id{p};
        const auto ours = fixture.store->bounds(id);
        const auto theirs = replica.store->bounds(id);
        EXPECT_EQ(theirs.first.value, ours.first.value) << "partition " << p;
        EXPECT_EQ(theirs.next.value, ours.next.value) << "partition " << p;
        const auto found = replica.read_all(id);
        EXPECT_THAT(found.damaged, ::testing::IsEmpty());
        EXPECT_EQ(found.values, fixture.acked[id]) << "partition " << p;
    }
    for (const auto& [key, value] : fixture.acked_state) {
        EXPECT_EQ(replica.store->get_state(key).value().value_or("none"), value) << key;
    }
}

void CopyLeader::expect_copied(const SimDisk& disk) const {
    const CopyPaths paths(copy_directory);
    const auto prefix = paths.incoming_log + "/";
    std::size_t count = 0;
    for (const auto& path : disk.paths()) {
        if (!path.starts_with(prefix)) {
            continue;
        }
        ++count;
        const auto bytes = disk.contents(path);
        const auto parsed = parse_segment_header(bytes);
        ASSERT_TRUE(parsed) << path;
        const auto& header = parsed.value();
        const auto extent =
            std::ranges::find(source.listed, header.sequence, &SegmentExtent::segment);
        ASSERT_NE(extent, source.listed.end()) << path;
        EXPECT_EQ(extent->hash_seed, header.hash_seed) << path;
        EXPECT_EQ(extent->file_bytes, bytes.size()) << path;
        EXPECT_EQ(path,
                  prefix + format_segment_name({.sequence = header.sequence,
                                                .generation = header.is_rewritten() ? 1U : 0U}));
        EXPECT_TRUE(std::ranges::equal(bytes, disk.durable_contents(path))) << path;
    }
    EXPECT_EQ(count, source.listed.size());
}

Result<void> copy_from(SegmentSource& source, Disk& disk, const std::string& directory) {
    const std::atomic<bool> is_stopping{false};
    return copy_shard(
        disk,
        source,
        {.directory = directory, .read_bytes_max = 16_KiB, .is_stopping = is_stopping});
}

}  // namespace millrace::storage::testing
