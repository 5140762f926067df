#include "tests/simulation/cluster/chaos.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <utility>

#include "storage/base/units.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr Duration rest_min{50'000};
constexpr Duration rest_max{2'500'000};
constexpr Duration flip_restart_max{500'000};
constexpr Duration back_max{4'000'000};
constexpr Duration down_max{4'000'000};
constexpr Duration cut_max{5'000'000};
constexpr Duration pause_max{4'000'000};
constexpr Duration slow_max{400'000};
constexpr std::int64_t clock_hours_max = 3;
constexpr std::uint64_t calls_max = 60;
/// As much of the log as is behind a flipped bit at least: at the end of the log it could not be
/// told from a write that the power cut.
constexpr std::uint64_t flip_margin_bytes = 300_KiB;

}  // namespace

Chaos::Chaos(Surroundings around) : around_(std::move(around)) {
    static constexpr std::array<Fault, 17> all{{{8, &Chaos::lose_power},
                                                {2, &Chaos::lose_power_everywhere},
                                                {8, &Chaos::kill},
                                                {6, &Chaos::restart},
                                                {6, &Chaos::pause},
                                                {8, &Chaos::cut_one_way},
                                                {8, &Chaos::cut_off},
                                                {6, &Chaos::split},
                                                {4, &Chaos::disturb_network},
                                                {5, &Chaos::slow_disk},
                                                {4, &Chaos::fail_disk_once},
                                                {2, &Chaos::fail_disk},
                                                {3, &Chaos::fill_disk},
                                                {3, &Chaos::lose_disk},
                                                {3, &Chaos::flip_bit},
                                                {3, &Chaos::set_clock},
                                                {3, &Chaos::transfer}}};
    for (const auto& fault : all) {
        if (around_.stage.chance(0.4)) {
            faults_.push_back(fault);
        }
    }
    if (faults_.empty()) {
        faults_.push_back(all.front());
    }
    if (around_.damages_often) {
        faults_.push_back({20, &Chaos::flip_bit});
    }
}

void Chaos::start() {
    around_.stage.after(around_.stage.between(rest_min, rest_max), [this] {
        if (!is_over_) {
            happen();
            start();
        }
    });
}

void Chaos::end() {
    is_over_ = true;
    around_.stage.tell("everything is mended");
    around_.network.heal();
    for (const auto& node : around_.nodes) {
        node->heal();
    }
}

void Chaos::happen() {
    const auto total =
        std::accumulate(faults_.begin(), faults_.end(), 0U, [](unsigned sum, const Fault& fault) {
            return sum + fault.weight;
        });
    auto chosen = around_.stage.below(total);
    for (const auto& fault : faults_) {
        if (chosen < fault.weight) {
            (this->*fault.run)();
            return;
        }
        chosen -= fault.weight;
    }
}

SimNode& Chaos::any_node() {
    return *around_.nodes[around_.stage.below(around_.nodes.size())];
}

/// Short ones are as likely as long ones.
Duration Chaos::some_time(Duration max) {
    return around_.stage.between(Duration(1'000), around_.stage.chance(0.5) ? max : max / 10);
}

void Chaos::lose_power() {
    any_node().lose_power(some_time(down_max));
}

void Chaos::lose_power_everywhere() {
    for (const auto& node : around_.nodes) {
        node->lose_power(some_time(down_max));
    }
}

void Chaos::kill() {
    any_node().kill(some_time(down_max));
}

void Chaos::restart() {
    any_node().restart(some_time(down_max));
}

void Chaos::pause() {
    any_node().pause(some_time(pause_max));
}

SimNetwork::Way Chaos::some_way() {
    return around_.stage.chance(0.5) ? SimNetwork::Way::loses : SimNetwork::Way::holds;
}

void Chaos::set_way(NodeId from, NodeId to, SimNetwork::Way way, Duration length) {
    around_.network.set_way(from, to, way);
    around_.stage.after(
        length, [this, from, to] { around_.network.set_way(from, to, SimNetwork::Way::open); });
}

void Chaos::cut_one_way() {
    const auto from = any_node().id();
    const auto to = any_node().id();
    around_.stage.tell("from node " + std::to_string(from.value) + " to node " +
                       std::to_string(to.value) + " nothing comes through");
    set_way(from, to, some_way(), some_time(cut_max));
}

void Chaos::cut_off() {
    const auto node = any_node().id();
    const auto length = some_time(cut_max);
    const auto way = some_way();
    around_.stage.tell("node " + std::to_string(node.value) + " is cut off");
    for (const auto& other : around_.nodes) {
        if (other->id() != node) {
            set_way(node, other->id(), way, length);
            set_way(other->id(), node, way, length);
        }
    }
}

void Chaos::split() {
    const auto sides = around_.stage.below(std::uint64_t{1} << around_.nodes.size());
    const auto length = some_time(cut_max);
    const auto way = some_way();
    const auto side_of = [sides](NodeId node) { return (sides >> node.value) & 1U; };
    around_.stage.tell("the network is split");
    std::vector<std::pair<NodeId, NodeId>> across;
    for (const auto& one : around_.nodes) {
        for (const auto& other : around_.nodes) {
            across.emplace_back(one->id(), other->id());
        }
    }
    std::erase_if(across, [side_of](const auto& pair) {
        return side_of(pair.first) == side_of(pair.second);
    });
    for (const auto& [from, to] : across) {
        set_way(from, to, way, length);
    }
}

void Chaos::disturb_network() {
    around_.stage.tell("the network is disturbed");
    around_.network.set_quality({.latency_min = Duration(50),
                                 .latency_max = some_time(Duration(200'000)),
                                 .lost = around_.stage.chance(0.5) ? 0.05 : 0.0,
                                 .doubled = around_.stage.chance(0.5) ? 0.1 : 0.0});
    around_.stage.after(some_time(cut_max), [this] { around_.network.set_quality({}); });
}

void Chaos::slow_disk() {
    auto& node = any_node();
    around_.stage.tell("the disk of " + node.name() + " is slow");
    const auto longest = some_time(slow_max);
    node.pace() = {.min = longest / 10, .max = longest};
    around_.stage.after(some_time(cut_max), [&node] { node.pace() = {}; });
}

void Chaos::fail_disk_once() {
    auto& node = any_node();
    around_.stage.tell("a call of " + node.name() + "'s disk will fail");
    node.disk().fail_call(around_.stage.below(calls_max), EIO, storage::SimDisk::Failure::once);
}

void Chaos::fail_disk() {
    auto& node = any_node();
    around_.stage.tell("the disk of " + node.name() + " fails");
    node.disk().fail_call(around_.stage.below(calls_max), EIO, storage::SimDisk::Failure::for_good);
    around_.stage.after(some_time(cut_max), [&node] { node.disk().heal(); });
}

void Chaos::fill_disk() {
    auto& node = any_node();
    const auto free = node.disk().free_bytes(node.directory()).value();
    constexpr std::uint64_t usual = std::uint64_t{1} << 40U;
    if (free < usual / 2) {
        return;  // it is full already
    }
    around_.stage.tell("the disk of " + node.name() + " is full");
    node.disk().set_capacity(usual - free + around_.stage.below(1_MiB));
    around_.stage.after(some_time(cut_max), [&node] { node.disk().set_capacity(usual); });
}

void Chaos::lose_disk() {
    auto& node = any_node();
    if (around_.may_damage(node)) {
        around_.note_damage(node);
        node.lose_disk(some_time(down_max));
    }
}

void Chaos::flip_bit() {
    auto& node = any_node();
    if (!around_.may_damage(node)) {
        return;
    }
    // From the end of the log, as much as must be left in peace.
    const auto prefix = node.directory() + "/log/";
    auto paths = node.disk().paths();
    std::ranges::reverse(paths);
    std::uint64_t behind = 0;
    for (const auto& path : paths) {
        if (!path.starts_with(prefix) || path.find('/', prefix.size()) != std::string::npos) {
            continue;
        }
        const auto bytes = node.disk().durable_contents(path);
        const auto last = std::ranges::find_if(
            bytes.rbegin(), bytes.rend(), [](std::byte byte) { return byte != std::byte{0}; });
        const auto used = static_cast<std::uint64_t>(bytes.rend() - last);
        const auto spared = flip_margin_bytes - std::min(behind, flip_margin_bytes);
        behind += used;
        if (used <= spared + 4_KiB || around_.stage.chance(0.3)) {
            continue;
        }
        const auto at = 4_KiB + around_.stage.below(used - spared - 4_KiB);
        around_.stage.tell("a bit of " + node.name() + " is flipped: " + path + " position " +
                           std::to_string(at));
        around_.note_damage(node);
        node.disk().flip_bit(path, Position{at}, static_cast<unsigned>(around_.stage.below(8)));
        ++flips_;
        if (around_.damages_often) {  // what is sealed is read through after a start
            around_.stage.after(some_time(flip_restart_max),
                                [this, &node] { node.restart(some_time(flip_restart_max)); });
        }
        return;
    }
}

void Chaos::set_clock() {
    auto& node = any_node();
    const auto range = static_cast<std::uint64_t>(clock_hours_max) * 2 * 3'600'000'000;
    const Duration by(static_cast<Duration::rep>(around_.stage.below(range)) -
                      static_cast<Duration::rep>(range / 2));
    around_.stage.tell("the clock of " + node.name() + " is set by " +
                       std::to_string(by.count() / 1'000'000) + " s");
    node.shift_wall_clock(by);
}

void Chaos::transfer() {
    const auto to = any_node().id();
    for (const auto& node : around_.nodes) {
        if (!node->takes_clients() || node->id() == to) {
            continue;
        }
        node->hand_over(to);
        if (around_.stage.chance(0.5)) {
            for (auto left = around_.stage.below(100); left > 0; --left) {
                around_.stage.after(some_time(back_max),
                                    [this, from = node->id()] { ask_back(from); });
            }
        }
    }
}

/// A node may have the lead again before it has noticed that it was gone.
void Chaos::ask_back(NodeId from) {
    for (const auto& node : around_.nodes) {
        if (node->is_open() && node->id() != from) {
            node->post([at = node.get(), from] { at->shard().transfer(from); });
        }
    }
}

}  // namespace millrace::simulation::cluster
