#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/cluster/publisher.hpp"
#include "tests/simulation/cluster/sim_network.hpp"
#include "tests/simulation/cluster/sim_node.hpp"

namespace millrace::simulation::cluster {

/// What goes wrong in a cluster. Each world has some of the kinds of faults only, so that rare ones
/// are not drowned.
class Chaos {
  public:
    struct Surroundings {
        Stage& stage;
        Nodes& nodes;
        SimNetwork& network;
        /// Whether this node may lose what it has on disk: never more than a minority does, until
        /// it has caught up again.
        std::function<bool(const SimNode&)> may_damage;
        std::function<void(const SimNode&)> note_damage;
        bool damages_often = false;
    };
    explicit Chaos(Surroundings around);

    void start();
    /// Everything works from now on.
    void end();
    /// Bits that were flipped.
    [[nodiscard]] std::uint64_t flips() const { return flips_; }

  private:
    struct Fault {
        unsigned weight;
        void (Chaos::*run)();
    };
    void happen();
    [[nodiscard]] SimNode& any_node();
    [[nodiscard]] Duration some_time(Duration max);

    void lose_power();
    void lose_power_everywhere();
    void kill();
    void restart();
    void pause();
    void cut_one_way();
    void cut_off();
    void split();
    void disturb_network();
    void slow_disk();
    void fail_disk_once();
    void fail_disk();
    void fill_disk();
    void lose_disk();
    void flip_bit();
    void set_clock();
    void transfer();
    void ask_back(NodeId from);

    void set_way(NodeId from, NodeId to, SimNetwork::Way way, Duration length);
    [[nodiscard]] SimNetwork::Way some_way();

    Surroundings around_;
    std::vector<Fault> faults_;
    bool is_over_ = false;
    std::uint64_t flips_ = 0;
};

}  // namespace millrace::simulation::cluster
