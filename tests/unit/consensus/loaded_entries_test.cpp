#include <gtest/gtest.h>
#include <raft.h>

#include "tests/unit/consensus/replica_fixture.hpp"

#include "broker/consensus/group_io.hpp"

namespace millrace::broker::consensus {
namespace {

using LoadedEntries = ReplicaTest;

storage::FrameView entry_frame(std::uint64_t index) {
    storage::FrameView frame;
    frame.kind = storage::FrameKind::entry;
    frame.flags = RAFT_COMMAND;
    frame.group = GroupId{1};
    frame.index = RaftIndex{index};
    frame.term = RaftTerm{1};
    return frame;
}

/// When libraft lets go of an entry of a batch it looks through its whole log for others of it: a
/// copied shard had 170,000 entries, and was held up for 50 s.
TEST_F(LoadedEntries, AreOfNoBatch) {
    auto& replica = *replicas.front();
    GroupIo io(replica.options, *replica.runtime, replica.store_pointer, [] {});
    for (std::uint64_t index = 1; index <= 3; ++index) {
        io.recover_frame(entry_frame(index), {}, /*in_state=*/false);
    }
    ASSERT_TRUE(io.load_state());
    raft_term term = 0;
    raft_id vote = 0;
    raft_snapshot* snapshot = nullptr;
    raft_index first = 0;
    raft_entry* entries = nullptr;
    std::size_t count = 0;
    ASSERT_EQ(
        io.interface()->load(io.interface(), &term, &vote, &snapshot, &first, &entries, &count), 0);
    ASSERT_EQ(count, 3U);
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(entries[i].batch, nullptr);
        EXPECT_NE(entries[i].buf.base, nullptr);
        raft_free(entries[i].buf.base);
    }
    raft_free(entries);
}

}  // namespace
}  // namespace millrace::broker::consensus
