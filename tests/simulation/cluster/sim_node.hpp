#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/cluster/node_disk.hpp"
#include "tests/simulation/cluster/sim_network.hpp"
#include "tests/simulation/cluster/stage.hpp"

#include "broker/cluster/member_steps.hpp"
#include "broker/cluster/shard_copies.hpp"
#include "broker/cluster/voter_placement.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/runtime/manual_runtime.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::simulation::cluster {

using Terms = std::map<std::uint32_t, std::uint64_t>;  ///< by group

/// A node's time: that of its runtime, and a wall clock that may be set.
class NodeClock final : public Clock {
  public:
    explicit NodeClock(const ManualClock& clock) : clock_(clock) {}
    [[nodiscard]] SteadyTime steady_now() const noexcept override { return clock_.steady_now(); }
    [[nodiscard]] UnixMicros unix_now() const noexcept override {
        return clock_.unix_now() + shift_.count();
    }
    void shift(Duration by) { shift_ += by; }

  private:
    const ManualClock& clock_;
    Duration shift_{0};
};

/// One node of a cluster, from life to life: a shard on its own disk and with its own clock, and
/// what the daemon does with it (broker/node.cpp, broker/cluster): founds, serves while it leads,
/// begins anew when it leads no more, has failed or has to be copied.
class SimNode final : public NetworkPeer {
  public:
    struct Options {
        NodeId id;
        std::vector<broker::consensus::Voter> voters;
        std::string directory;     ///< of the shard, on the simulated disk
        bool keeps_index = false;  ///< else each start rebuilds it from the log
        std::size_t segment_bytes = 0;
        std::size_t memory_bytes = 0;  ///< of entries that others may have missed; 0: next to none
        std::uint64_t disk_seed = 0;
        broker::cluster::PlacementRules placement;  ///< without a limit its leader changes nothing
        std::map<NodeId, std::string> places = {};  ///< of all nodes
    };
    struct Surroundings {
        Stage& stage;
        SimNetwork& network;
        std::function<SimNode*(NodeId)> find;
        std::function<void(Duration)> run_for;  ///< lets the world go on while a copy waits
        std::function<void(NodeId, const broker::consensus::GroupStatus&)> on_lead;
    };
    SimNode(Options options, Surroundings surroundings);
    SimNode(const SimNode&) = delete;
    SimNode& operator=(const SimNode&) = delete;
    SimNode(SimNode&&) = delete;
    SimNode& operator=(SimNode&&) = delete;
    ~SimNode() override;

    void start();
    /// What was not durable is lost in part. Starts again after a while.
    void lose_power(Duration down_for);
    /// The process ends, whatever it has handed to the disk gets there.
    void kill(Duration down_for);
    /// As a signal asks for.
    void restart(Duration down_for);
    /// Does nothing for a while, as a process that is stopped.
    void pause(Duration length);
    /// Loses power and disk.
    void lose_disk(Duration down_for);
    void shift_wall_clock(Duration by) { node_clock_.shift(by); }
    /// Asks for it until nothing is led here, or it takes too long; does nothing where it does not
    /// serve.
    void hand_over(NodeId to);
    /// What is slow or stopped goes on, what is down starts soon.
    void heal();

    /// When it has something to do.
    [[nodiscard]] std::optional<SteadyTime> wake() const;
    void turn();

    [[nodiscard]] NodeId id() const { return options_.id; }
    [[nodiscard]] std::string name() const { return "node " + std::to_string(options_.id.value); }
    /// How far its groups are.
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool is_up() const { return phase_ != Phase::down; }
    [[nodiscard]] bool is_open() const { return phase_ == Phase::open; }
    [[nodiscard]] bool is_paused() const { return paused_until_ > stage().now(); }
    /// Changes whenever a life ends: answers of an earlier one do not come.
    [[nodiscard]] std::uint64_t life() const { return life_; }
    [[nodiscard]] bool takes_clients() const { return takes_clients_; }
    [[nodiscard]] NodeId leader() const { return leader_; }
    /// **Requires** that it is open.
    [[nodiscard]] broker::Shard& shard() { return *parts_->shard; }
    [[nodiscard]] broker::delivery::DeliveryShard& delivery() { return *parts_->delivery; }
    /// Runs within its next turn. **Requires** that it is open.
    void post(broker::Task task) { parts_->runtime.post(std::move(task)); }
    [[nodiscard]] storage::SimDisk& disk() { return sim_disk_; }
    [[nodiscard]] NodeDisk::Pace& pace() { return pace_; }
    [[nodiscard]] const std::string& directory() const { return options_.directory; }
    /// It knows of damage in its log that is neither repaired nor copied away yet.
    [[nodiscard]] bool is_damaged() const { return is_damaged_; }
    /// It has neither founded nor taken a copy since its disk was empty.
    [[nodiscard]] bool is_empty() const { return is_empty_; }
    /// How many whole copies it took.
    [[nodiscard]] std::uint64_t copies() const { return copies_; }
    /// Segments that it wrote anew with entries of others.
    [[nodiscard]] std::uint64_t repairs() const { return repairs_; }
    /// How often all that it knew to be damaged was repaired, copied, or gone.
    [[nodiscard]] std::uint64_t mends() const { return mends_; }

    struct Listing {
        Terms terms;
        std::vector<storage::SegmentExtent> segments;
    };
    /// For a node that knows what it voted and acknowledged, or has forgotten it. Errors:
    /// not_leader, and those of the store.
    enum class Asker : std::uint8_t { knows, has_forgotten };
    using ListDone = std::function<void(const Result<Listing>&)>;
    void list(Asker asker, const ListDone& done);

    void take_message(NodeId from, GroupId group, std::vector<std::byte> message) override;
    void see_links() override;
    [[nodiscard]] bool is_new() const override { return parts_->shard->is_new(); }

  private:
    enum class Phase : std::uint8_t { down, copying, open };
    /// Of a life with an open shard, in order of making.
    struct Parts {
        Parts(ManualClock& clock, storage::Disk& disk, const Clock& shown)
            : runtime(clock, disk, shown) {}
        broker::ManualRuntime runtime;
        MetricsRegistry metrics;
        broker::ShardTable table;
        broker::delivery::DeliveryTable deliveries;
        std::unique_ptr<broker::Shard> shard;
        std::unique_ptr<broker::delivery::DeliveryShard> delivery;
    };
    enum class End : std::uint8_t { graceful, killed, power };

    [[nodiscard]] Stage& stage() const { return around_.stage; }
    void tell(const std::string& what) const { stage().tell(name() + " " + what); }
    /// Runs only in the same life.
    void later(Duration delay, broker::Task task);
    void catch_up_clock();
    [[nodiscard]] broker::ShardOptions shard_options();
    void open();
    void follow();
    void hear();
    [[nodiscard]] std::vector<NodeId> others() const;
    [[nodiscard]] Result<void> pull(Asker self, const Terms& terms);
    void copy();
    void copy_beside();
    void install_later(const broker::cluster::ReplicaMark& before);
    void look_at_damage();
    void renew();
    void begin_repair();
    void repair(const std::shared_ptr<const storage::RepairTask>& task);
    void pull_damaged();
    void copy_remainder();
    [[nodiscard]] broker::cluster::ReplicaMark mark() const;
    [[nodiscard]] Result<void> install();
    void drop_index();
    void end(End how);
    void end_soon(Duration within, End how);
    void start_after(Duration delay);
    /// The process ends by itself and is started again.
    void fail_start(const Error& error);
    void found_or_copy();
    [[nodiscard]] Result<Listing> listing();
    void report(broker::ShardStanding standing);
    void look_at_handover();
    void give_way(NodeId leader);
    void make_way(NodeId leader);
    void bring_lead_together();
    void keep_voters();
    void place_voters();
    [[nodiscard]] broker::cluster::Heard heard() const;
    [[nodiscard]] std::vector<broker::consensus::Member> wanted_members();
    void ask_for_copy();
    void look_at_failure();

    Options options_;
    Surroundings around_;
    storage::SimDisk sim_disk_;
    NodeDisk::Pace pace_;
    std::shared_ptr<storage::KeyValueMemory> index_;  ///< no fault loses any of it
    ManualClock clock_;
    NodeClock node_clock_{clock_};
    SteadyTime synced_at_{};  ///< of the world, when the clock was set after it
    Phase phase_ = Phase::down;
    std::uint64_t life_ = 0;
    std::shared_ptr<NodeDisk> disk_;
    std::shared_ptr<std::atomic<bool>> is_over_;  ///< of this life
    std::unique_ptr<Parts> parts_;
    SteadyTime rests_until_{};
    SteadyTime paused_until_{};
    SteadyTime reports_due_{};
    bool is_wanted_ = false;   ///< it has forgotten what it said, and takes a copy before it opens
    bool is_pulling_ = false;  ///< a copy, while it is open
    bool is_pulled_ = false;   ///< one is whole and takes the shard's place at the next start
    bool is_damaged_ = false;  ///< its log does not verify, as it knows
    bool is_empty_ = true;
    std::vector<SegmentSequence> damaged_;  ///< segments that it is told of at the next start
    std::uint64_t copies_ = 0;
    std::uint64_t repairs_ = 0;
    std::uint64_t mends_ = 0;
    NodeId leader_;
    broker::ShardStanding standing_;
    struct Handover {
        NodeId to;
        SteadyTime deadline;
    };
    std::optional<Handover> handover_;
    bool has_led_ = false;
    bool takes_clients_ = false;
    bool is_founded_ = false;
    std::map<NodeId, SteadyTime> linked_at_;  ///< when it was last seen to be
    bool is_ending_ = false;
};

}  // namespace millrace::simulation::cluster
