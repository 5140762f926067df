#include "millrace/consumer.hpp"

#include <algorithm>
#include <functional>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_node.hpp"

#include "client/wire/record_batch.hpp"
#include "client/wire/schema/groups_generated.h"
#include "client/wire/schema/records_generated.h"
#include "millrace/client.hpp"
#include "storage/base/batch_header.hpp"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
using testing::ScriptedNode;
using testing::SentRequest;
using wire::Api;

constexpr std::uint32_t partition = 11;

std::vector<Record> poll_some(Consumer& consumer) {
    std::vector<Record> records;
    while (records.empty()) {
        records = consumer.poll(1s);
    }
    return records;
}

/// What the call throws; nothing where it does not.
std::string refusal_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const ClientError& error) {
        return error.name();
    }
    return "";
}

/// One record, as it lies in the log.
std::vector<std::byte> run_of(std::uint64_t offset) {
    wire::RecordBatchBuilder builder;
    builder.add({.key = std::nullopt, .value = "x", .headers = {}, .event_time_us = 1});
    const auto batch = builder.finish({}).value();
    const BatchHeader header{.partition = PartitionId{partition},
                             .record_count = 1,
                             .base_offset = Offset{offset},
                             .append_time_us = 1,
                             .batch_bytes = static_cast<std::uint32_t>(batch.size())};
    std::vector<std::byte> run(header.run_bytes());
    store_batch_header(run, header);
    std::ranges::copy(batch, run.begin() + BatchHeader::bytes);
    return run;
}

std::vector<std::byte> runs_of(const std::vector<std::uint64_t>& offsets) {
    std::vector<std::byte> runs;
    for (const auto offset : offsets) {
        const auto run = run_of(offset);
        runs.insert(runs.end(), run.begin(), run.end());
    }
    return runs;
}

/// Of the last record a bit is not as it was.
std::vector<std::byte> runs_with_a_damaged_end(const std::vector<std::uint64_t>& offsets) {
    auto runs = runs_of(offsets);
    const auto last = runs.size() - run_of(offsets.back()).size();
    runs.at(last + BatchHeader::bytes + wire::batch_header_bytes) ^= std::byte{1};
    return runs;
}

class ConsumerOfANode : public ::testing::Test {
  protected:
    ConsumerOfANode() {
        node.set_topics({{.topic = "a.b", .partition_id = partition}});
        settings.topics = {"a.b"};
        settings.group = "g";
        settings.session_timeout = 1h;
        settings.commit_interval = 0ms;
    }
    ~ConsumerOfANode() override { join(); }
    ConsumerOfANode(const ConsumerOfANode&) = delete;
    ConsumerOfANode& operator=(const ConsumerOfANode&) = delete;
    ConsumerOfANode(ConsumerOfANode&&) = delete;
    ConsumerOfANode& operator=(ConsumerOfANode&&) = delete;

    /// Runs the client beside the script.
    void run(std::function<void(Client&)> work) {
        beside = std::thread([address = node.address(), work = std::move(work)] {
            Client client{{.brokers = address}};
            work(client);
        });
        node.accept();
    }
    void consume(std::function<void(Consumer&)> work) {
        run([this, work = std::move(work)](Client& client) {
            auto consumer = client.consumer(settings);
            work(consumer);
        });
    }
    void join() {
        if (beside.joinable()) {
            beside.join();
        }
    }
    /// Answers the next join: of the one partition, committed or not.
    void admit(std::uint32_t generation, std::optional<std::uint64_t> committed) {
        wire::GroupJoinAnswerT answer;
        answer.member_id = "m";
        answer.generation = generation;
        answer.partition_ids = {partition};
        if (committed) {
            answer.committed.emplace_back(*committed, partition);
        }
        node.answer(node.next(Api::group_join), answer);
    }
    void tell_offset(std::uint64_t offset, Errc code = Errc::ok) {
        wire::ListOffsetsAnswerT answer;
        answer.offsets.emplace_back(offset, partition, static_cast<std::uint16_t>(code));
        node.answer(node.next(Api::list_offsets), answer);
    }
    void hand_out(std::uint64_t offset) { answer(node.next(Api::fetch), run_of(offset)); }
    void answer(const SentRequest& request, const std::vector<std::byte>& run) {
        auto part = std::make_unique<wire::FetchedPartitionT>();
        part->partition_id = partition;
        part->run_bytes = static_cast<std::uint32_t>(run.size());
        wire::FetchAnswerT answer;
        answer.partitions.push_back(std::move(part));
        node.answer(request, answer, run);
    }
    static std::uint64_t offset_asked(const SentRequest& fetch) {
        return fetch.as<wire::FetchRequest>().partitions.at(0).offset();
    }
    /// The offset that the request commits for the partition.
    static std::uint64_t offset_of(const SentRequest& commit) {
        return commit.as<wire::OffsetCommitRequest>().offsets.at(0).offset();
    }
    void leave() { node.confirm(node.next(Api::group_leave)); }

    ScriptedNode node;
    ConsumerOptions settings;
    std::thread beside;
};

TEST_F(ConsumerOfANode, ACommitThatFailedIsNotDone) {
    consume([](Consumer& consumer) {
        (void)poll_some(consumer);
        EXPECT_EQ(refusal_of([&] { consumer.commit(); }), "limit_reached");
        EXPECT_EQ(refusal_of([&] { consumer.commit(); }), "");
        EXPECT_EQ(refusal_of([&] { consumer.commit(); }), "");  // nothing is left to commit
    });
    admit(1, 7);
    hand_out(7);
    const auto first = node.next(Api::offset_commit);
    EXPECT_EQ(offset_of(first), 8U);
    node.refuse(first, Errc::limit_reached);
    const auto second = node.next(Api::offset_commit);
    EXPECT_EQ(offset_of(second), 8U);
    node.confirm(second);
    leave();
}

TEST_F(ConsumerOfANode, ACommitThatTheGroupRefusesSaysSoAndTheNextPollJoins) {
    consume([](Consumer& consumer) {
        (void)poll_some(consumer);
        EXPECT_EQ(refusal_of([&] { consumer.commit(); }), "rebalancing");
        EXPECT_EQ(poll_some(consumer).front().offset, 7U);  // again, since it is not committed
    });
    admit(1, 7);
    hand_out(7);
    node.refuse(node.next(Api::offset_commit), Errc::rebalancing);
    admit(2, 7);
    (void)node.next(Api::fetch);  // of before
    hand_out(7);
    leave();
}

TEST_F(ConsumerOfANode, WhatIsGivenInPiecesIsCommittedAsFarAsItWasGiven) {
    consume([](Consumer& consumer) {
        const auto offsets_of = [&consumer](std::size_t records_max) {
            std::vector<std::uint64_t> offsets;
            for (const auto& record : consumer.poll(1h, records_max)) {
                offsets.push_back(record.offset);
            }
            return offsets;
        };
        EXPECT_EQ(offsets_of(2), (std::vector<std::uint64_t>{7, 8}));
        consumer.commit();
        EXPECT_EQ(offsets_of(1), (std::vector<std::uint64_t>{9}));
        consumer.commit();
        EXPECT_EQ(offsets_of(9), (std::vector<std::uint64_t>{10}));
        consumer.commit();
    });
    admit(1, 7);
    answer(node.next(Api::fetch), runs_of({7, 8, 9, 10}));
    for (const std::uint64_t next : {9U, 10U, 11U}) {
        const auto commit = node.next(Api::offset_commit);
        EXPECT_EQ(offset_of(commit), next);
        node.confirm(commit);
    }
    leave();
}

TEST_F(ConsumerOfANode, AsksForMoreOnceTheFirstHaveBeenGiven) {
    consume([](Consumer& consumer) {
        EXPECT_EQ(consumer.poll(1h, 1).size(), 1U);
        consumer.commit();
        EXPECT_EQ(consumer.poll(1h).size(), 1U);
        EXPECT_EQ(consumer.poll(1h).front().offset, 9U);
    });
    admit(1, 7);
    const auto first = node.next(Api::fetch);
    EXPECT_EQ(first.as<wire::FetchRequest>().bytes_max, 4'096U);
    answer(first, runs_of({7, 8}));
    const auto commit = node.next(Api::offset_commit);
    for (const auto& request : node.waiting()) {
        EXPECT_NE(request.api, Api::fetch);
    }
    node.confirm(commit);
    const auto second = node.next(Api::fetch);
    EXPECT_EQ(offset_asked(second), 9U);
    EXPECT_EQ(second.as<wire::FetchRequest>().bytes_max, 32'768U);
    answer(second, run_of(9));
    leave();
}

TEST_F(ConsumerOfANode, AsksOnBeforeItHasDecodedAndAgainWhereItCouldNot) {
    consume([](Consumer& consumer) {
        EXPECT_EQ(poll_some(consumer).back().offset, 6U);
        EXPECT_EQ(poll_some(consumer).back().offset, 7U);
        EXPECT_EQ(refusal_of([&] { (void)poll_some(consumer); }), "checksum_mismatch");
        EXPECT_EQ(poll_some(consumer).front().offset, 8U);
    });
    admit(1, 6);
    hand_out(6);
    answer(node.next(Api::fetch), runs_with_a_damaged_end({7, 8}));
    const auto of_before = node.next(Api::fetch);
    EXPECT_EQ(offset_asked(of_before), 9U);
    const auto again = node.next(Api::fetch);
    EXPECT_EQ(offset_asked(again), 8U);
    answer(of_before, run_of(9));  // is dropped
    answer(again, run_of(8));
    leave();
}

TEST_F(ConsumerOfANode, WhatCameBehindABatchThatCouldNotBeDecodedComesAgain) {
    std::promise<void> has_come;
    consume([&](Consumer& consumer) {
        EXPECT_EQ(poll_some(consumer).back().offset, 6U);
        has_come.get_future().wait();
        EXPECT_EQ(poll_some(consumer).back().offset, 7U);
        EXPECT_EQ(refusal_of([&] { (void)poll_some(consumer); }), "checksum_mismatch");
        EXPECT_EQ(poll_some(consumer).front().offset, 8U);
        EXPECT_EQ(poll_some(consumer).front().offset, 9U);
    });
    admit(1, 6);
    hand_out(6);
    answer(node.next(Api::fetch), runs_with_a_damaged_end({7, 8}));
    hand_out(9);
    EXPECT_EQ(offset_asked(node.next(Api::fetch)), 10U);
    has_come.set_value();
    for (const std::uint64_t again : {8U, 9U}) {
        const auto fetch = node.next(Api::fetch);
        EXPECT_EQ(offset_asked(fetch), again);
        answer(fetch, run_of(again));
    }
    leave();
}

TEST_F(ConsumerOfANode, WithoutAnIntervalOnlyCommitCommits) {
    std::promise<void> is_rebalancing;
    settings.session_timeout = 100ms;
    consume([&](Consumer& consumer) {
        (void)poll_some(consumer);
        is_rebalancing.get_future().wait();
        (void)poll_some(consumer);  // joins again
    });
    admit(1, 7);
    hand_out(7);
    node.refuse(node.next(Api::group_heartbeat), Errc::rebalancing);
    (void)node.next(Api::group_heartbeat);  // the refusal has been read
    is_rebalancing.set_value();
    admit(2, 7);
    (void)node.next(Api::fetch);  // of before
    hand_out(7);
    leave();
    for (const auto& request : node.waiting()) {
        EXPECT_NE(request.api, Api::offset_commit);
    }
}

TEST_F(ConsumerOfANode, WhereAGroupBeginsAtTheEndThatIsCommitted) {
    settings.start.at = StartAt::latest;
    consume([](Consumer& consumer) { EXPECT_EQ(consumer.assignment().size(), 1U); });
    admit(1, std::nullopt);
    tell_offset(42);
    const auto commit = node.next(Api::offset_commit);
    EXPECT_EQ(offset_of(commit), 42U);
    node.confirm(commit);
    leave();
}

TEST_F(ConsumerOfANode, WhatIsCommittedStaysWhereAGroupBeginsAtTheEnd) {
    settings.start.at = StartAt::latest;
    std::promise<void> fetched;
    consume([&](Consumer&) { fetched.get_future().wait(); });
    admit(1, 7);
    EXPECT_EQ(offset_asked(node.next(Api::fetch)), 7U);
    fetched.set_value();
    leave();
    for (const auto& request : node.waiting()) {
        EXPECT_NE(request.api, Api::offset_commit);
    }
}

TEST_F(ConsumerOfANode, APartitionWithoutAPlaceToBeginIsAnError) {
    run([this](Client& client) {
        EXPECT_EQ(refusal_of([&] { (void)client.consumer(settings); }), "io");
    });
    admit(1, std::nullopt);
    tell_offset(0, Errc::io);
}

TEST_F(ConsumerOfANode, ASeekWithoutAPlaceMovesNothing) {
    run([](Client& client) {
        EXPECT_EQ(refusal_of([&] {
                      (void)client.admin().seek_group(
                          "g", {"a.b"}, {.at = StartAt::time, .time_us = 5});
                  }),
                  "io");
    });
    tell_offset(0, Errc::io);
    for (const auto& request : node.rest()) {
        EXPECT_NE(request.api, Api::offset_commit);
    }
}

TEST_F(ConsumerOfANode, AHeartbeatOfBeforeTheLastJoinDoesNotMakeItJoinAgain) {
    settings.session_timeout = 100ms;
    std::promise<void> beat_again;
    consume([&](Consumer& consumer) {
        (void)poll_some(consumer);
        EXPECT_EQ(refusal_of([&] { consumer.commit(); }), "rebalancing");
        (void)poll_some(consumer);
        beat_again.get_future().wait();
        (void)consumer.poll(0ms);
    });
    admit(1, 7);
    hand_out(7);
    const auto old = node.next(Api::group_heartbeat);
    node.refuse(node.next(Api::offset_commit), Errc::rebalancing);
    admit(2, 7);
    (void)node.next(Api::fetch);  // of before
    hand_out(7);
    node.refuse(old, Errc::rebalancing);
    const auto fresh = node.next(Api::group_heartbeat);  // comes when the old one is answered
    EXPECT_EQ(fresh.as<wire::GroupHeartbeatRequest>().generation, 2U);
    beat_again.set_value();
    leave();
    for (const auto& request : node.waiting()) {
        EXPECT_NE(request.api, Api::group_join);
    }
}

TEST_F(ConsumerOfANode, APartitionThatIsRefusedForNowIsAskedAgainAfterAPause) {
    consume([](Consumer& consumer) {
        const auto records = poll_some(consumer);
        EXPECT_EQ(records.at(0).offset, 7U);
    });
    admit(1, 7);
    auto part = std::make_unique<wire::FetchedPartitionT>();
    part->partition_id = partition;
    part->error = std::make_unique<wire::ErrorT>();
    part->error->code = static_cast<std::uint16_t>(Errc::io);
    part->error->retryable = true;
    wire::FetchAnswerT answer;
    answer.partitions.push_back(std::move(part));
    const auto refused = std::chrono::steady_clock::now();
    node.answer(node.next(Api::fetch), answer);
    hand_out(7);
    EXPECT_GE(std::chrono::steady_clock::now() - refused, 50ms);
    leave();
}

TEST_F(ConsumerOfANode, AnAnswerWithoutItsPartIsRefused) {
    run([](Client& client) {
        EXPECT_EQ(refusal_of([&] { (void)client.admin().describe_group("g"); }), "malformed");
        EXPECT_EQ(refusal_of([&] { (void)client.admin().describe_subscription("q"); }),
                  "malformed");
        EXPECT_EQ(refusal_of([&] { (void)client.admin().show_letter("q", 1); }), "malformed");
        EXPECT_EQ(refusal_of([&] { (void)client.admin().create_topic({.name = "c.d"}); }),
                  "malformed");
    });
    for (const auto api :
         {Api::group_describe, Api::subscription_describe, Api::letter_show, Api::topic_create}) {
        node.confirm(node.next(api));
    }
}

}  // namespace
}  // namespace millrace::client
