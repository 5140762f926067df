#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/chaos.hpp"
#include "tests/simulation/cluster/log_watch.hpp"
#include "tests/simulation/cluster/publisher.hpp"
#include "tests/simulation/cluster/queue_consumer.hpp"
#include "tests/simulation/cluster/record_history.hpp"
#include "tests/simulation/cluster/sim_network.hpp"
#include "tests/simulation/cluster/sim_node.hpp"
#include "tests/simulation/cluster/stage.hpp"

namespace millrace::simulation::cluster {

/// A cluster with its clients, made from a seed: founded, disturbed, mended, and checked at the
/// end.
class ClusterWorld {
  public:
    /// What a seed does not decide.
    struct Shape {
        std::uint64_t node_count = 0;          ///< 0: as the seed says
        std::vector<std::string> places = {};  ///< of the nodes; empty: all vote, unless the seed
                                               ///< makes five, of which it may let three vote
        std::size_t voters_max = 0;
        bool damages_often = false;  ///< logs of many small segments, in which bits flip
        bool forgets_soon = false;   ///< such logs, which keep little for those that were away
        [[nodiscard]] bool has_much_to_write() const { return damages_often || forgets_soon; }
    };
    explicit ClusterWorld(std::uint64_t seed) : ClusterWorld(seed, Shape{}) {}
    ClusterWorld(std::uint64_t seed, Shape shape);
    ClusterWorld(const ClusterWorld&) = delete;
    ClusterWorld& operator=(const ClusterWorld&) = delete;
    ClusterWorld(ClusterWorld&&) = delete;
    ClusterWorld& operator=(ClusterWorld&&) = delete;
    ~ClusterWorld();

    /// To the end, or to the first violation.
    void run();
    /// The parts of `run`: nodes and clients start; everything is mended and checked.
    void start();
    void finish();
    void run_for(Duration length);
    /// A violation when it does not become true within a minute.
    void wait_until(const std::string& what, const std::function<bool()>& is_true);
    /// Who leads and takes clients; null: nobody.
    [[nodiscard]] SimNode* leader() const;
    [[nodiscard]] Nodes& nodes() { return nodes_; }

    [[nodiscard]] const Stage& stage() const { return stage_; }
    [[nodiscard]] Stage& stage() { return stage_; }
    struct Totals {
        std::uint64_t batches_acked = 0;
        std::uint64_t records = 0;
        std::uint64_t lost = 0;  ///< of those that a leader alone had acked
        std::uint64_t deliveries = 0;
        std::uint64_t terms = 0;  ///< in which a node led
        std::uint64_t copies = 0;
        std::uint64_t repairs = 0;  ///< segments written anew
        std::uint64_t refused_by_former = 0;
        std::uint64_t damaged = 0;  ///< reads that a flipped bit spoilt
    };
    [[nodiscard]] Totals totals() const;

  private:
    void make_nodes(std::uint64_t seed);
    void make_clients();
    void step(SteadyTime end);
    void note_lead(NodeId node, const broker::consensus::GroupStatus& group);
    [[nodiscard]] bool is_newest(const SimNode& node) const;
    void keep_topics();
    void ask_for_topics(SimNode& node);
    void ask_for_topic(broker::CatalogService& catalog,
                       const std::string& name,
                       std::uint32_t partitions);
    void ask_for_subscription(broker::CatalogService& catalog);
    void add_topic(const broker::TopicInfo& topic);
    void look_at_damaged();
    [[nodiscard]] bool has_caught_up(SimNode& node) const;
    [[nodiscard]] bool are_replicas_equal() const;
    /// Until who is chosen shows all that there has to be.
    void read_whole(const std::function<SimNode*()>& choose);
    void check_end();

    Stage stage_;
    Shape shape_;
    std::unique_ptr<SimNetwork> network_;
    Nodes nodes_;
    RecordHistory history_{stage_};
    std::vector<std::unique_ptr<Publisher>> publishers_;
    std::unique_ptr<LogWatch> watch_;
    std::unique_ptr<QueueConsumer> consumer_;
    std::unique_ptr<Chaos> chaos_;
    bool has_retention_ = false;
    bool is_over_ = false;                                ///< nothing new is made
    std::map<std::string, std::uint32_t> wanted_topics_;  ///< with their partitions
    std::set<std::string> topics_;                        ///< that a leader has made
    bool has_subscription_ = false;
    std::map<std::pair<GroupId, RaftTerm>, NodeId> leaders_;
    std::map<NodeId, std::uint64_t>
        damaged_;  ///< nodes, with how often they had been mended before
};

}  // namespace millrace::simulation::cluster
