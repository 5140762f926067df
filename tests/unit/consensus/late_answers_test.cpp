#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/consensus/replica_fixture.hpp"

#include "broker/consensus/peer_message.hpp"
#include "broker/consensus/raft_bytes.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr NodeId former{2};
constexpr NodeId present{3};

/// A replica alone with what two others say.
class LateAnswers : public ::testing::Test {
  protected:
    void append(NodeId from, const raft_append_entries& append) const {
        raft_message message{};
        message.type = RAFT_IO_APPEND_ENTRIES;
        message.append_entries = append;
        EXPECT_TRUE(replica.group->receive(from, encode_message(message)));
    }

    /// Entries 2 to 4, of term 2.
    void append_of_former() {
        std::vector<raft_entry> entries{barrier(2), barrier(2), barrier(2)};
        append(former,
               {.term = 2,
                .prev_log_index = 1,
                .prev_log_term = 1,
                .leader_commit = 1,
                .entries = entries.data(),
                .n_entries = static_cast<unsigned>(entries.size())});
    }

    static raft_entry barrier(raft_term term) {
        static std::byte content[8]{};
        raft_entry entry{};
        entry.term = term;
        entry.type = RAFT_BARRIER;
        entry.buf = {.base = content, .len = sizeof(content)};
        return entry;
    }

    void run() {
        for (int i = 0; i < 20; ++i) {
            clock.advance(Duration{1'000});
            replica.turn();
        }
    }

    /// As far as it told this node that they agree.
    [[nodiscard]] raft_index agreed_with(NodeId node) const {
        raft_index upto = 0;
        for (const auto& answer : answers.at(node)) {
            if (answer.rejected == 0) {
                upto = std::max(upto, answer.last_log_index);
            }
        }
        return upto;
    }

    ManualClock clock;
    std::map<NodeId, std::vector<raft_append_entries_result>> answers;
    std::vector<raft_request_vote_result> votes;
    GroupReplica replica{NodeId{1},
                         {{.node = NodeId{1}, .address = "1"},
                          {.node = former, .address = "2"},
                          {.node = present, .address = "3"}},
                         [this](NodeId, NodeId to, const std::vector<std::byte>& bytes) {
                             auto message = decode_message(bytes).value();
                             if (message.type == RAFT_IO_APPEND_ENTRIES_RESULT) {
                                 answers[to].push_back(message.append_entries_result);
                             }
                             if (message.type == RAFT_IO_REQUEST_VOTE_RESULT) {
                                 votes.push_back(message.request_vote_result);
                             }
                             drop_message(message);
                             return true;
                         },
                         clock,
                         8_MiB};
};

/// libraft 0.15 answers a trial vote with the term that was asked for. Who is terms behind would
/// never learn of it, and where no majority is without this one's vote nobody would be elected.
TEST_F(LateAnswers, RefusedTrialVoteSaysWhichTermIsKnown) {
    append(present, {.term = 7, .prev_log_index = 1, .prev_log_term = 1, .leader_commit = 1});
    run();
    for (const raft_term term : {6U, 9U}) {
        raft_message message{};
        message.type = RAFT_IO_REQUEST_VOTE;
        message.request_vote.term = term;
        message.request_vote.candidate_id = former.value;
        message.request_vote.pre_vote = true;
        EXPECT_TRUE(replica.group->receive(former, encode_message(message)));
        run();
    }
    ASSERT_EQ(votes.size(), 2U);
    EXPECT_FALSE(votes[0].vote_granted);
    EXPECT_EQ(votes[0].term, 7U);
    EXPECT_EQ(votes[1].term, 9U) << "no less than was asked for";
}

/// libraft 0.15 answers whoever leads when an append has come to the disk, also one of the leader
/// before. Counted as agreed on, entries that the new leader does not have would never be taken
/// out.
TEST_F(LateAnswers, AppendOfAFormerLeaderSaysNothingToTheNextOne) {
    append_of_former();
    append(present,
           {.term = 3,
            .prev_log_index = 6,
            .prev_log_term = 2,
            .leader_commit = 1,
            .entries = nullptr,
            .n_entries = 0});
    run();
    ASSERT_FALSE(answers[present].empty());
    EXPECT_EQ(answers[present].front().rejected, 6U);
    EXPECT_EQ(agreed_with(present), 0U);
}

/// What lies behind the entries that were compared may be left from another leader.
TEST_F(LateAnswers, OnlyWhatWasComparedIsAgreedOn) {
    append_of_former();
    run();
    EXPECT_EQ(agreed_with(former), 4U);
    append(present,
           {.term = 3,
            .prev_log_index = 2,
            .prev_log_term = 2,
            .leader_commit = 1,
            .entries = nullptr,
            .n_entries = 0});
    run();
    EXPECT_EQ(agreed_with(present), 2U);
}

/// libraft 0.15 knows an entry that is not in its memory only where the snapshot ends with it. What
/// lies before that is applied, and the same everywhere: refused, it would be sent for ever.
TEST_F(LateAnswers, WhatIsAppliedIsAgreedOnWhereverMemoryBegins) {
    replica.open_with_index();
    for (raft_index index = 2; index <= 4; ++index) {
        auto entry = barrier(2);
        append(former,
               {.term = 2,
                .prev_log_index = index - 1,
                .prev_log_term = index == 2 ? 1U : 2U,
                .leader_commit = index,
                .entries = &entry,
                .n_entries = 1});
        run();
        ASSERT_TRUE(replica.store->checkpoint());
        replica.crash();  // and what was not sealed is in memory again
        replica.open();
    }
    for (const raft_index known : {1U, 2U, 3U, 4U}) {
        answers.clear();
        append(present,
               {.term = 3,
                .prev_log_index = known,
                .prev_log_term = known == 1 ? 1U : 2U,
                .leader_commit = known,
                .entries = nullptr,
                .n_entries = 0});
        run();
        EXPECT_GE(agreed_with(present), known);
    }
}

}  // namespace
}  // namespace millrace::broker::consensus
