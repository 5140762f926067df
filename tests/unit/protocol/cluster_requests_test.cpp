#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"
#include "tests/unit/protocol/fake_connection.hpp"

#include "broker/protocol/session.hpp"
#include "client/wire/schema/cluster_generated.h"
#include "client/wire/schema/session_generated.h"

namespace millrace::broker::protocol {
namespace {

/// A node that follows node 2 until `leads` is set.
struct ClusterRequests : ::testing::Test {
    ClusterRequests() {
        table.shards = {{.shard = fixture.shard.get()}};
        table.version = "test";
        table.next_id = [] { return 1U; };
        table.refusal = [this]() -> std::optional<Error> {
            return leads ? std::nullopt
                         : std::optional(fail(Errc::not_leader, "node 1 follows; node 2 leads"));
        };
        table.cluster.report = [this](const auto& done) { done(report); };
        table.cluster.transfer = [this](NodeId to, const auto& done) {
            asked_to = to;
            done(outcome);
        };
        report.self = NodeId{1};
        report.leader = NodeId{2};
        report.own = peers::PeerState{.node = NodeId{1}, .address = "a:1", .is_linked = true};
        report.peers = {{.node = NodeId{2}, .address = "b:1", .is_linked = true, .native = "b:2"}};
        report.peers[0].labels = {{"rack", "b"}};
        report.groups = {{.shard = ShardId{0}, .status = {.group = GroupId{1}}}};
    }

    template <class Answer, class Message>
    typename Answer::NativeTableType ask(wire::Api api, const Message& message) {
        connection->sent.clear();
        session->on_bytes(wire::format_message({.api = static_cast<std::uint16_t>(api)}, message));
        fixture.runtime->run_until_idle();
        typename Answer::NativeTableType answer;
        wire::FrameReader reader;
        EXPECT_EQ(connection->sent.size(), 1U);
        for (const auto& bytes : connection->sent) {
            EXPECT_TRUE(reader.feed(bytes, [&answer](const wire::FrameView& frame) {
                answer = wire::parse_message<Answer>(frame.table).value();
                return true;
            }));
        }
        return answer;
    }
    wire::HelloAnswerT greet(bool any_node) {
        wire::HelloRequestT hello;
        hello.protocol_version_min = hello.protocol_version_max = wire::protocol_version;
        hello.any_node = any_node;
        return ask<wire::HelloAnswer>(wire::Api::hello, hello);
    }
    static Errc code_of(const std::unique_ptr<wire::ErrorT>& error) {
        return error ? static_cast<Errc>(error->code) : Errc::ok;
    }

    broker::testing::ShardFixture fixture;
    bool leads = false;
    cluster::ClusterReport report;
    Result<void> outcome = ok();
    NodeId asked_to;
    ServiceTable table;
    SessionLimits limits;
    SessionMetrics metrics{*fixture.metrics, ShardId{0}};
    std::shared_ptr<FakeConnection> connection = std::make_shared<FakeConnection>();
    std::shared_ptr<Session> session =
        std::make_shared<Session>(Session::Wiring{.table = table,
                                                  .shard = ShardId{0},
                                                  .limits = limits,
                                                  .metrics = metrics,
                                                  .on_gone = [](Session&) {}},
                                  connection);
};

TEST_F(ClusterRequests, AFollowerRefusesHelloAndSaysWhoLeads) {
    const auto hello = greet(false);
    EXPECT_EQ(code_of(hello.error), Errc::not_leader);
    EXPECT_EQ(hello.error->text, "node 1 follows; node 2 leads");
}

TEST_F(ClusterRequests, AFollowerTellsAGuestOfItsClusterAndRefusesTheRest) {
    EXPECT_EQ(code_of(greet(true).error), Errc::ok);
    const auto status =
        ask<wire::ClusterStatusAnswer>(wire::Api::cluster_status, wire::ClusterStatusRequestT{});
    EXPECT_EQ(code_of(status.error), Errc::ok);
    EXPECT_TRUE(status.clustered);
    EXPECT_FALSE(status.leads);
    EXPECT_EQ(status.leader, 2U);
    ASSERT_EQ(status.nodes.size(), 2U);
    EXPECT_EQ(status.nodes[0]->address, "a:1");
    EXPECT_EQ(status.nodes[1]->native, "b:2");
    EXPECT_TRUE(status.nodes[0]->labels.empty());
    ASSERT_EQ(status.nodes[1]->labels.size(), 1U);
    EXPECT_EQ(status.nodes[1]->labels[0]->name, "rack");
    EXPECT_EQ(status.nodes[1]->labels[0]->value, "b");
    EXPECT_EQ(status.groups.size(), 1U);
    const auto metadata = ask<wire::MetadataAnswer>(wire::Api::metadata, wire::MetadataRequestT{});
    EXPECT_EQ(code_of(metadata.error), Errc::not_leader);
    const auto moved =
        ask<wire::Done>(wire::Api::cluster_transfer, wire::ClusterTransferRequestT{});
    EXPECT_EQ(code_of(moved.error), Errc::not_leader);
}

TEST_F(ClusterRequests, StatusSaysWhatEachNodeIs) {
    leads = true;
    (void)greet(false);
    using consensus::MemberRole;
    report.groups[0].status.members = {{.node = NodeId{1}, .address = "a:1"},
                                       {.node = NodeId{2}, .address = "b:1"}};
    report.wanted = report.groups[0].status.members;
    report.groups[0].status.members[1].role = MemberRole::standby;
    const auto ask_status = [this] {
        return ask<wire::ClusterStatusAnswer>(wire::Api::cluster_status,
                                              wire::ClusterStatusRequestT{});
    };
    auto status = ask_status();
    EXPECT_EQ(status.nodes[0]->member, wire::ClusterMember::voter);
    EXPECT_TRUE(status.nodes[0]->voter);
    EXPECT_EQ(status.nodes[1]->member, wire::ClusterMember::standby);
    EXPECT_FALSE(status.nodes[1]->voter);
    EXPECT_TRUE(status.nodes[1]->to_vote);
    report.wanted[1].role = MemberRole::standby;
    EXPECT_FALSE(ask_status().nodes[1]->to_vote);
    report.groups[0].status.members.pop_back();
    status = ask_status();
    EXPECT_EQ(status.nodes[1]->member, wire::ClusterMember::unknown);
}

TEST_F(ClusterRequests, AGuestHasEverythingOnceItsNodeLeads) {
    EXPECT_EQ(code_of(greet(true).error), Errc::ok);
    leads = true;
    const auto metadata = ask<wire::MetadataAnswer>(wire::Api::metadata, wire::MetadataRequestT{});
    EXPECT_EQ(code_of(metadata.error), Errc::ok);
}

TEST_F(ClusterRequests, ANodeThatStandsAloneSaysSo) {
    leads = true;
    report.own.reset();
    report.peers.clear();
    EXPECT_EQ(code_of(greet(false).error), Errc::ok);
    const auto status =
        ask<wire::ClusterStatusAnswer>(wire::Api::cluster_status, wire::ClusterStatusRequestT{});
    EXPECT_FALSE(status.clustered);
    EXPECT_TRUE(status.nodes.empty());
}

TEST_F(ClusterRequests, ATransferIsAnsweredWithItsOutcome) {
    leads = true;
    (void)greet(false);
    wire::ClusterTransferRequestT transfer;
    transfer.to = 2;
    const auto moved = ask<wire::Done>(wire::Api::cluster_transfer, transfer);
    EXPECT_EQ(code_of(moved.error), Errc::ok);
    EXPECT_EQ(asked_to, NodeId{2});
    outcome = fail(Errc::unavailable, "node 2 is behind");
    const auto refused = ask<wire::Done>(wire::Api::cluster_transfer, transfer);
    EXPECT_EQ(code_of(refused.error), Errc::unavailable);
    EXPECT_EQ(refused.error->text, "node 2 is behind");
}

TEST_F(ClusterRequests, AnAnswerThatComesAfterTheConnectionHarmsNobody) {
    leads = true;
    (void)greet(false);
    std::function<void(cluster::ClusterReport)> late;
    table.cluster.report = [&late](auto done) { late = std::move(done); };
    session->on_bytes(
        wire::format_message({.api = static_cast<std::uint16_t>(wire::Api::cluster_status)},
                             wire::ClusterStatusRequestT{}));
    connection->sent.clear();
    const std::weak_ptr<Session> watched = session;
    session.reset();
    EXPECT_TRUE(watched.expired()) << "what waits does not keep it";
    late(report);
    fixture.runtime->run_until_idle();
    EXPECT_TRUE(connection->sent.empty());
}

}  // namespace
}  // namespace millrace::broker::protocol
