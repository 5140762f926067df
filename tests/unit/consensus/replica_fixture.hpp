#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/consensus/group.hpp"
#include "broker/runtime/manual_runtime.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::broker::consensus {

/// One replica of a group over a store on a simulated disk of its own.
class GroupReplica : public storage::StoreEvents, public StateMachine, public PeerLinks {
  public:
    /// What it sends to another; false where it is lost.
    using Send = std::function<bool(NodeId from, NodeId to, std::vector<std::byte> message)>;
    GroupReplica(NodeId number,
                 std::vector<Voter> voters,
                 Send send,
                 ManualClock& clock,
                 std::size_t trailing_bytes_max);
    GroupReplica(const GroupReplica&) = delete;
    GroupReplica& operator=(const GroupReplica&) = delete;
    GroupReplica(GroupReplica&&) = delete;
    GroupReplica& operator=(GroupReplica&&) = delete;
    ~GroupReplica() override;

    void open();
    /// Anew, and what the store's checkpoints keep is there at each `open` from now on.
    void open_with_index();
    void close();
    /// Power loss, and nothing after it until `open`.
    void crash();
    /// One bit of what lies there in the log, `skip` bytes behind its beginning.
    void flip_bit(storage::FramePlace place, std::uint64_t skip);
    /// One turn; returns whether anything happened.
    bool turn();
    void propose(const std::string& text);
    /// A record that stays: its segment, and all behind it, are not recycled.
    void propose_record();

    void on_recovered_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) override;
    void on_durable(CommitSequence commit) override;
    void on_failed(const Error& error) override { group->on_failed(error); }
    void on_checkpoint(storage::StateWriter& state) override { group->write_state(state); }
    void on_damage(const Error& damage) override { damages.push_back(damage); }
    void apply(const Entry& entry) override;
    bool send(NodeId to, GroupId /*group*/, std::vector<std::byte> message) override {
        return send_(node, to, std::move(message));
    }

    NodeId node;
    storage::SimDisk disk;
    /// Null: each life builds its index anew from the log.
    std::shared_ptr<storage::KeyValueMemory> index;
    std::unique_ptr<ManualRuntime> runtime;
    std::unique_ptr<Group> group;
    std::unique_ptr<storage::ShardStore> store;
    storage::ShardStore* store_pointer = nullptr;
    std::vector<std::string> applied;         ///< in this life
    std::vector<storage::FramePlace> places;  ///< of what was applied
    std::vector<Errc> answers;
    std::vector<std::string> stored;  ///< told to be on the disk before they were applied
    std::vector<Error> failures;
    std::vector<Error> damages;
    std::vector<NodeId> behind;
    std::size_t caught_up_bytes = 0;  ///< that it sent others from its log
    Error start_error;                ///< why the last `open` did not start the group
    GroupOptions options;             ///< of the next `open`

  private:
    Send send_;
    ManualClock& clock_;
    MetricsRegistry metrics_;
    CommitSequence durable_;
    SteadyTime next_tick_;
};

/// Three replicas and the network between them, which loses what is cut.
class ReplicaTest : public ::testing::Test {
  protected:
    static constexpr Duration second{1'000'000};

    /// `more`: that many further ones, which know the first three but are no members.
    explicit ReplicaTest(std::size_t trailing_bytes_max = 8_MiB, std::uint64_t more = 0);

    /// Everything that happens in this time.
    void run(Duration time);
    /// Until one leads and says so; null where none does within 20 s.
    GroupReplica* elect();
    GroupReplica* leader();
    GroupReplica& follower();
    /// No message in either direction.
    void cut(NodeId node) { cut_.insert(node); }
    void heal() { cut_.clear(); }
    GroupReplica& at(std::uint64_t node) { return *replicas.at(node - 1); }

    ManualClock clock;
    std::vector<std::unique_ptr<GroupReplica>> replicas;

  private:
    struct Message {
        NodeId from;
        NodeId to;
        std::vector<std::byte> bytes;
    };
    bool send(NodeId from, NodeId to, std::vector<std::byte> message);
    /// What was sent arrives, and each replica has a turn; returns whether anything happened.
    bool turn();

    std::deque<Message> network_;
    std::set<NodeId> cut_;
};

}  // namespace millrace::broker::consensus
