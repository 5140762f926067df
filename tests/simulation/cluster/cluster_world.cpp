#include "tests/simulation/cluster/cluster_world.hpp"

#include <algorithm>

#include "broker/catalog/catalog_service.hpp"
#include "storage/base/units.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr GroupId data_group{1};
constexpr const char* queue_topic = "a.b";
constexpr const char* telemetry_topic = "t.m";  ///< its acks stand for the leader alone
constexpr const char* subscription = "q";

/// Short, so that nodes that are away for some seconds are replaced.
constexpr Duration replace_after{2'000'000};
constexpr Duration start_max{300'000};
constexpr Duration start_late{6'000'000};
constexpr Duration calm{3'000'000};
constexpr Duration length_min{5'000'000};
constexpr Duration length_max{25'000'000};
constexpr Duration keep_interval{150'000};
constexpr Duration wait_max{60'000'000};
constexpr Duration wait_step{50'000};
constexpr double new_topic_share = 0.01;  ///< of looks at the topics
constexpr std::size_t topics_max = 6;
constexpr std::uint64_t retention_bytes = 300'000;
constexpr std::uint64_t short_retention_bytes = 50'000;

}  // namespace

ClusterWorld::ClusterWorld(std::uint64_t seed, Shape shape)
    : stage_(seed), shape_(std::move(shape)) {
    make_nodes(seed);
    make_clients();
    chaos_ = std::make_unique<Chaos>(Chaos::Surroundings{
        .stage = stage_,
        .nodes = nodes_,
        .network = *network_,
        .may_damage =
            [this](const SimNode& node) {
                // What was down while the others founded has no more to give than a damaged one.
                const auto others = std::ranges::count_if(nodes_, [&](const auto& other) {
                    return other.get() != &node &&
                           (other->is_empty() || damaged_.contains(other->id()));
                });
                const auto voters = shape_.voters_max > 0 ? shape_.voters_max : nodes_.size();
                return static_cast<std::size_t>(others) + 1 <= (voters - 1) / 2;
            },
        .note_damage = [this](const SimNode& node) { damaged_[node.id()] = node.mends(); },
        .damages_often = shape_.damages_often});
}

ClusterWorld::~ClusterWorld() {
    nodes_.clear();  // before those whom they answer
}

void ClusterWorld::make_nodes(std::uint64_t seed) {
    const std::uint64_t seeded = stage_.chance(0.15) ? 5 : 3;
    const std::uint64_t count = shape_.node_count > 0 ? shape_.node_count : seeded;
    if (count == 5 && shape_.places.empty() && seed % 2 == 0) {
        shape_.places = {"a", "a", "b", "b", "c"};
        shape_.voters_max = 3;
    }
    // What is rebuilt finds all damage at once, and in a segment that is not sealed.
    const bool keeps_index = stage_.chance(0.5) || shape_.damages_often;
    const bool is_large = stage_.chance(0.5) && !shape_.has_much_to_write();
    const auto segment_bytes = is_large ? 1_MiB : 512_KiB;
    // Nobody waits for a standby: with less it would lack more after each copy than before.
    const bool forgets = (stage_.chance(0.4) || shape_.forgets_soon) && shape_.voters_max == 0;
    const auto memory_bytes = forgets ? 1_KiB : 64_MiB;
    stage_.tell(std::to_string(count) + " nodes, " +
                (shape_.voters_max > 0 ? std::to_string(shape_.voters_max) : "all") +
                " vote, index " + (keeps_index ? "kept" : "rebuilt") + ", segments of " +
                std::to_string(segment_bytes / 1_KiB) + " KiB, entries in memory " +
                std::to_string(memory_bytes / 1_KiB) + " KiB");
    std::vector<NodeId> ids;
    std::vector<broker::consensus::Voter> voters;
    std::map<NodeId, std::string> places;
    for (std::uint64_t id = 1; id <= count; ++id) {
        ids.push_back(NodeId{id});
        voters.push_back({.node = NodeId{id}, .address = "node-" + std::to_string(id)});
        places[NodeId{id}] = shape_.places.empty() ? "" : shape_.places.at(id - 1);
    }
    network_ = std::make_unique<SimNetwork>(stage_, ids);
    for (const auto id : ids) {
        nodes_.push_back(std::make_unique<SimNode>(
            SimNode::Options{
                .id = id,
                .voters = voters,
                .directory = "node-" + std::to_string(id.value) + "/shard-00",
                .keeps_index = keeps_index,
                .segment_bytes = segment_bytes,
                .memory_bytes = memory_bytes,
                .disk_seed = stage_.random().next(),
                .placement = {.voters_max = shape_.voters_max, .replace_after = replace_after},
                .places = places},
            SimNode::Surroundings{
                .stage = stage_,
                .network = *network_,
                .find = [this](NodeId node) { return nodes_[node.value - 1].get(); },
                .run_for = [this](Duration length) { run_for(length); },
                .on_lead = [this](NodeId node, const auto& group) { note_lead(node, group); }}));
    }
}

void ClusterWorld::make_clients() {
    has_retention_ = stage_.chance(0.25) || shape_.forgets_soon;
    wanted_topics_ = {{queue_topic, 2}, {"c.d", 1}};
    if (stage_.chance(0.5)) {
        wanted_topics_[telemetry_topic] = 1;
    }
    const bool are_large = stage_.chance(0.3) || shape_.has_much_to_write();
    const auto value_bytes_max = are_large ? std::size_t{5'000} : std::size_t{500};
    const Duration pause_max = shape_.has_much_to_write() ? Duration(30'000) : Duration(150'000);
    const auto newest = [this](const SimNode& node) { return is_newest(node); };
    for (std::int64_t id = 1 + static_cast<std::int64_t>(stage_.below(3)); id > 0; --id) {
        publishers_.push_back(std::make_unique<Publisher>(
            Publisher::Options{.id = id,
                               .batches_in_flight_max = 1 + stage_.below(4),
                               .value_bytes_max = value_bytes_max,
                               .pause_max = stage_.between(Duration(10'000), pause_max)},
            Publisher::Surroundings{
                .stage = stage_, .nodes = nodes_, .history = history_, .is_newest = newest}));
    }
    watch_ = std::make_unique<LogWatch>(
        LogWatch::Surroundings{.stage = stage_,
                               .nodes = nodes_,
                               .history = history_,
                               .is_newest = newest,
                               .run_for = [this](Duration length) { run_for(length); }});
    if (stage_.chance(0.6) && !shape_.forgets_soon) {
        consumer_ = std::make_unique<QueueConsumer>(
            subscription,
            QueueConsumer::Surroundings{
                .stage = stage_, .nodes = nodes_, .history = history_, .is_newest = newest});
    }
}

void ClusterWorld::step(SteadyTime end) {
    auto next = stage_.next() ? std::min(*stage_.next(), end) : end;
    for (const auto& node : nodes_) {
        if (const auto wake = node->wake()) {
            next = std::min(next, *wake);
        }
    }
    stage_.go_to(next);
    for (const auto& node : nodes_) {
        if (const auto wake = node->wake(); wake && *wake <= stage_.now()) {
            node->turn();
        }
    }
}

void ClusterWorld::run_for(Duration length) {
    const auto end = stage_.now() + length;
    while (stage_.now() < end && stage_.violations().empty()) {
        step(end);
    }
}

void ClusterWorld::wait_until(const std::string& what, const std::function<bool()>& is_true) {
    const auto end = stage_.now() + wait_max;
    while (stage_.now() < end && stage_.violations().empty() && !is_true()) {
        run_for(wait_step);
    }
    if (stage_.violations().empty() && !is_true()) {
        for (const auto& node : nodes_) {
            stage_.tell(node->describe());
        }
        const auto copying = std::ranges::count_if(
            nodes_, [](const auto& node) { return node->is_up() && !node->is_open(); });
        stage_.violate("a minute after everything was mended " + what + "; " +
                       std::to_string(copying) + " nodes wait for a copy");
    }
}

void ClusterWorld::note_lead(NodeId node, const broker::consensus::GroupStatus& group) {
    const auto [at, is_new] = leaders_.try_emplace({group.group, group.role.term}, node);
    if (at->second != node) {
        stage_.violate("node " + std::to_string(node.value) + " leads group " +
                       std::to_string(group.group.value) + " in term " +
                       std::to_string(group.role.term.value) + " as node " +
                       std::to_string(at->second.value) + " did");
    } else if (is_new) {
        stage_.tell("node " + std::to_string(node.value) + " leads group " +
                    std::to_string(group.group.value) + " in term " +
                    std::to_string(group.role.term.value));
    }
}

bool ClusterWorld::is_newest(const SimNode& node) const {
    const auto last = leaders_.lower_bound({data_group + 1, RaftTerm{0}});
    return last != leaders_.begin() && std::prev(last)->first.first == data_group &&
           std::prev(last)->second == node.id();
}

SimNode* ClusterWorld::leader() const {
    const auto found = std::ranges::find_if(
        nodes_, [this](const auto& node) { return node->takes_clients() && is_newest(*node); });
    return found == nodes_.end() ? nullptr : found->get();
}

void ClusterWorld::keep_topics() {
    if (!is_over_ && wanted_topics_.size() < topics_max && stage_.chance(new_topic_share)) {
        wanted_topics_["e." + std::to_string(wanted_topics_.size())] = 1;
    }
    if (auto* const node = leader()) {
        node->post([this, node] { ask_for_topics(*node); });
    }
    look_at_damaged();
    stage_.after(keep_interval, [this] { keep_topics(); });
}

/// In a turn of the node.
void ClusterWorld::ask_for_topics(SimNode& node) {
    if (!node.takes_clients()) {
        return;
    }
    auto& catalog = node.shard().catalog();
    for (const auto& [name, partitions] : wanted_topics_) {
        if (!topics_.contains(name)) {
            ask_for_topic(catalog, name, partitions);
        }
    }
    if (consumer_ && topics_.contains(queue_topic) && !has_subscription_) {
        ask_for_subscription(catalog);
    }
}

void ClusterWorld::ask_for_topic(broker::CatalogService& catalog,
                                 const std::string& name,
                                 std::uint32_t partitions) {
    broker::TopicSpec spec{.name = name, .partition_count = partitions, .settings = {}};
    spec.settings.durability =
        name == telemetry_topic ? broker::Durability::leader : broker::Durability::majority;
    const bool stays = name == queue_topic || name == telemetry_topic;
    if (shape_.forgets_soon) {
        spec.settings.retention_bytes = short_retention_bytes;
    } else if (has_retention_ && !stays) {
        spec.settings.retention_bytes = retention_bytes;
    }
    catalog.create_topic(spec, broker::IfExists::accept, [this](const auto& made) {
        if (made && topics_.insert(made.value()->name).second) {
            add_topic(*made.value());
        }
    });
}

void ClusterWorld::ask_for_subscription(broker::CatalogService& catalog) {
    broker::SubscriptionInfo info;
    info.name = subscription;
    info.topics = {queue_topic};
    catalog.create_subscription(info, broker::IfExists::accept, [this](const auto& made) {
        if (made && !std::exchange(has_subscription_, true)) {
            consumer_->start();
        }
    });
}

void ClusterWorld::add_topic(const broker::TopicInfo& topic) {
    stage_.tell("topic " + topic.name + " is there");
    for (const auto& partition : topic.partitions) {
        if (topic.durability == broker::Durability::leader) {
            history_.allow_loss(partition.id);
        }
        for (const auto& publisher : publishers_) {
            publisher->add_partition(partition.id, topic.durability);
        }
        watch_->add_partition(partition.id);
        if (consumer_ && topic.name == queue_topic) {
            consumer_->add_partition(partition.id);
        }
    }
}

bool ClusterWorld::has_caught_up(SimNode& node) const {
    auto* const newest = leader();
    if (newest == nullptr || newest == &node || !node.is_open()) {
        return false;
    }
    const auto own = node.shard().groups();
    const auto there = newest->shard().groups();
    for (std::size_t i = 0; i < own.size(); ++i) {
        if (own[i].last < there[i].last || own[i].applied < there[i].applied) {
            return false;
        }
    }
    return true;
}

/// A node that was repaired or copied since, and has what the leader has, may lose it again.
void ClusterWorld::look_at_damaged() {
    std::erase_if(damaged_, [this](const auto& row) {
        auto& node = *nodes_[row.first.value - 1];
        return node.mends() > row.second && has_caught_up(node);
    });
}

void ClusterWorld::start() {
    for (const auto& node : nodes_) {
        const auto latest = stage_.chance(0.05) ? start_late : start_max;
        stage_.after(stage_.between(Duration(0), latest), [at = node.get()] { at->start(); });
    }
    network_->start();
    watch_->start();
    for (const auto& publisher : publishers_) {
        publisher->start();
    }
    keep_topics();
    run_for(calm);
}

void ClusterWorld::run() {
    start();
    chaos_->start();
    run_for(stage_.between(length_min, length_max));
    finish();
}

bool ClusterWorld::are_replicas_equal() const {
    const auto* const newest = leader();
    if (newest == nullptr) {
        return false;
    }
    const auto wanted = nodes_[newest->id().value - 1]->shard().groups();
    return std::ranges::all_of(nodes_, [&wanted](const auto& node) {
        if (!node->is_open() || node->is_damaged()) {
            return false;
        }
        const auto own = node->shard().groups();
        return std::ranges::equal(own, wanted, [](const auto& one, const auto& other) {
            return one.last == other.last && one.applied == other.applied &&
                   one.last == one.applied;
        });
    });
}

void ClusterWorld::finish() {
    constexpr Duration afterwards{1'000'000};
    is_over_ = true;
    chaos_->end();
    wait_until("no node leads", [this] { return leader() != nullptr; });
    wait_until("there are no topics", [this] { return topics_.size() == wanted_topics_.size(); });
    run_for(afterwards);
    for (const auto& publisher : publishers_) {
        publisher->stop();
    }
    wait_until("not everything is acked", [this] {
        return std::ranges::all_of(publishers_, [](const auto& one) { return one->is_done(); });
    });
    read_whole([this] {
        wait_until("no node leads", [this] { return leader() != nullptr; });
        return leader();
    });
    if (consumer_) {
        wait_until("not everything is delivered",
                   [this] { return has_subscription_ && consumer_->has_everything(); });
        if (stage_.violations().empty()) {
            consumer_->check_end();
        }
    }
    wait_until("the replicas differ", [this] { return are_replicas_equal(); });
    if (stage_.violations().empty()) {
        check_end();
    }
}

/// What turns out to be damaged is repaired or copied.
void ClusterWorld::read_whole(const std::function<SimNode*()>& choose) {
    constexpr int reads_max = 8;
    constexpr Duration rest{500'000};
    bool is_whole = false;
    for (int i = 0; i < reads_max && !is_whole && stage_.violations().empty(); ++i) {
        auto* const node = choose();
        is_whole = node != nullptr && stage_.violations().empty() && watch_->read_whole(*node);
        if (!is_whole) {
            run_for(rest);
        }
    }
    if (!is_whole) {
        stage_.violate("a replica does not show all that it has to have");
    }
}

void ClusterWorld::check_end() {
    const auto settle = [this] {
        wait_until("the replicas differ", [this] { return are_replicas_equal(); });
    };
    for (const auto& node : nodes_) {
        read_whole([&settle, at = node.get()] {
            settle();
            return at;
        });
    }
    settle();
    for (const auto& node : nodes_) {
        const auto view = node->shard().catalog().view();
        const auto unknown = std::ranges::find_if(
            topics_, [&view](const auto& name) { return !view->topics.contains(name); });
        if (stage_.violations().empty() && unknown != topics_.end()) {
            stage_.violate(node->name() + " does not know topic " + *unknown);
        }
    }
}

ClusterWorld::Totals ClusterWorld::totals() const {
    Totals totals{.records = history_.record_count(),
                  .lost = history_.lost_count(),
                  .deliveries = consumer_ ? consumer_->deliveries() : 0,
                  .terms = leaders_.size(),
                  .damaged = watch_->damaged()};
    for (const auto& publisher : publishers_) {
        totals.batches_acked += publisher->acked();
        totals.refused_by_former += publisher->refused_by_former();
    }
    for (const auto& node : nodes_) {
        totals.copies += node->copies();
        totals.repairs += node->repairs();
    }
    return totals;
}

}  // namespace millrace::simulation::cluster
