#include "broker/consensus/peer_message.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "broker/consensus/raft_bytes.hpp"

namespace millrace::broker::consensus {
namespace {

raft_message decoded(std::span<const std::byte> bytes) {
    auto message = decode_message(bytes);
    EXPECT_TRUE(message) << message.error().text;
    return message ? message.value() : raft_message{};
}

TEST(PeerMessage, EntriesComeOverWhole) {
    std::string first = "prefix..one";
    std::string second(8, '\0');
    std::array entries{raft_entry{.term = 3,
                                  .type = RAFT_COMMAND,
                                  .buf = {.base = first.data(), .len = first.size()},
                                  .batch = nullptr},
                       raft_entry{.term = 4,
                                  .type = RAFT_BARRIER,
                                  .buf = {.base = second.data(), .len = second.size()},
                                  .batch = nullptr}};
    raft_message message{};
    message.type = RAFT_IO_APPEND_ENTRIES;
    message.append_entries = {.term = 4,
                              .prev_log_index = 10,
                              .prev_log_term = 3,
                              .leader_commit = 9,
                              .entries = entries.data(),
                              .n_entries = 2};
    auto back = decoded(encode_message(message));
    EXPECT_EQ(back.append_entries.prev_log_index, 10U);
    EXPECT_EQ(back.append_entries.leader_commit, 9U);
    ASSERT_EQ(back.append_entries.n_entries, 2U);
    const auto bytes = bytes_of(back.append_entries.entries[0].buf);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), first);
    EXPECT_EQ(back.append_entries.entries[1].term, 4U);
    EXPECT_EQ(back.append_entries.entries[1].type, RAFT_BARRIER);
    drop_message(back);
}

TEST(PeerMessage, VotesKeepTheirFlags) {
    raft_message message{};
    message.type = RAFT_IO_REQUEST_VOTE;
    message.request_vote = {.term = 5,
                            .candidate_id = 2,
                            .last_log_index = 7,
                            .last_log_term = 4,
                            .disrupt_leader = true,
                            .pre_vote = true};
    const auto vote = decoded(encode_message(message)).request_vote;
    EXPECT_EQ(vote.candidate_id, 2U);
    EXPECT_TRUE(vote.disrupt_leader);
    EXPECT_TRUE(vote.pre_vote);

    message.type = RAFT_IO_REQUEST_VOTE_RESULT;
    message.request_vote_result = {.term = 5, .vote_granted = true, .pre_vote = raft_tribool_false};
    const auto result = decoded(encode_message(message)).request_vote_result;
    EXPECT_TRUE(result.vote_granted);
    EXPECT_EQ(result.pre_vote, raft_tribool_false);
}

TEST(PeerMessage, FlippedBitIsNoticed) {
    raft_message message{};
    message.type = RAFT_IO_APPEND_ENTRIES_RESULT;
    message.append_entries_result = {.term = 5, .rejected = 0, .last_log_index = 12};
    auto bytes = encode_message(message);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        bytes[at] ^= std::byte{1};
        EXPECT_FALSE(decode_message(bytes)) << at;
        bytes[at] ^= std::byte{1};
    }
    EXPECT_TRUE(decode_message(bytes));
    EXPECT_FALSE(decode_message(std::span(bytes).first(40)));
}

}  // namespace
}  // namespace millrace::broker::consensus
