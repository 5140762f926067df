#include "tests/unit/storage/repair/repair_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/format/frame_walk.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage::testing {

Result<std::vector<std::byte>> StoreEntries::fetch(const EntryRequest& request) {
    fetched.push_back(request);
    if (refuse) {
        MILLRACE_TRY(refuse());
    }
    std::optional<Result<std::vector<std::byte>>> answer;
    peer_.store->find_entry(
        request, [&answer](Result<std::vector<std::byte>> image) { answer = std::move(image); });
    peer_.store->tick();
    if (!answer) {
        return fail(Errc::internal, "the other replica does not answer");
    }
    MILLRACE_TRY(auto image, std::move(*answer));
    if (in_transit) {
        in_transit(image);
    }
    return image;
}

ReplicaPair::ReplicaPair() {
    own.options.is_replicated = true;
    peer.options.is_replicated = true;
    peer.options.segment_bytes = 256_KiB;
    EXPECT_TRUE(own.open());
    EXPECT_TRUE(peer.open());
}

void ReplicaPair::publish(int rounds) {
    for (int i = 0; i < rounds; ++i, ++rounds_) {
        for (auto* const replica : {&own, &peer}) {
            for (int record = 0; record <= rounds_ % 3; ++record) {
                const PartitionId partition{static_cast<std::uint32_t>(record) % partitions};
                const auto size = static_cast<std::size_t>(rounds_ * 131 % 900);
                ASSERT_TRUE(
                    replica->publish(partition, std::to_string(rounds_) + std::string(size, 'x')));
            }
            replica->put("row" + std::to_string(rounds_ % 5), std::to_string(rounds_));
        }
        own.run();
        if (rounds_ % 3 == 2) {
            peer.run();
        }
    }
    peer.run();
}

std::string ReplicaPair::path_of(std::uint64_t segment) {
    return "/data/shard-00/log/" + format_segment_name({.sequence = SegmentSequence{segment}});
}

std::vector<ReplicaPair::Place> ReplicaPair::places(std::uint64_t segment) const {
    const auto bytes = own.disk.contents(path_of(segment));
    const auto header = parse_segment_header(bytes);
    EXPECT_TRUE(header);
    std::vector<Place> found;
    for (std::size_t at = disk_alignment; at < bytes.size();) {
        const auto rest = std::span(bytes).subspan(at);
        const auto commit = load_commit_header(rest, header.value().hash_seed);
        if (!commit) {
            break;
        }
        found.push_back({.commit = at, .commit_bytes = commit->total_bytes, .frames = {}});
        walk_frames(rest.first(commit->total_bytes),
                    *commit,
                    header.value().hash_seed,
                    [&](const FrameView&, std::size_t offset) {
                        found.back().frames.push_back(at + offset);
                    });
        at += commit->total_bytes;
    }
    return found;
}

void ReplicaPair::damage(std::uint64_t segment, std::uint64_t position, std::uint64_t bytes) {
    for (std::uint64_t i = 0; i < bytes; ++i) {
        own.disk.flip_bit(path_of(segment), Position{position + i}, static_cast<unsigned>(i % 8));
    }
}

void ReplicaPair::find_damage(std::uint64_t segment) {
    const SegmentSequence sequence{segment};
    for (const auto& extent : own.store->list_segments()) {
        if (extent.segment == sequence) {
            own.store->check_segment(sequence, extent.hash_seed);
        }
    }
    own.run_turns(3);
}

Result<RepairOutcome> ReplicaPair::repair(Disk& disk) {
    MILLRACE_TRY(const auto task, own.store->begin_repair());
    if (!task) {
        return fail(Errc::not_found, "nothing is damaged");
    }
    const std::atomic<bool> is_stopping{false};
    const auto outcome = repair_segment(disk, *task, source, {.is_stopping = is_stopping});
    own.store->end_repair(*task, outcome);
    return outcome;
}

void ReplicaPair::expect_all_records() {
    for (std::uint32_t p = 0; p < partitions; ++p) {
        const auto found = own.read_all(PartitionId{p});
        EXPECT_THAT(found.damaged, ::testing::IsEmpty());
        EXPECT_EQ(found.values, own.acked[PartitionId{p}]) << "partition " << p;
    }
}

void ReplicaPair::expect_same_file(std::uint64_t segment,
                                   const std::vector<std::byte>& before) const {
    const auto path = path_of(segment);
    const auto after = own.disk.contents(path);
    ASSERT_EQ(after.size(), before.size());
    EXPECT_TRUE(std::ranges::equal(after, own.disk.durable_contents(path)));
    const auto differ = std::ranges::mismatch(after, before).in1;
    for (auto at = static_cast<std::size_t>(differ - after.begin()); at < after.size(); ++at) {
        if (after[at] == before[at]) {
            continue;
        }
        ASSERT_TRUE(at % disk_alignment < CommitHeader::bytes && at > disk_alignment)
            << "byte " << at << " is another";
    }
}

}  // namespace millrace::storage::testing
