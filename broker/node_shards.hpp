#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/cluster/replica.hpp"
#include "broker/config/config.hpp"
#include "broker/data_directory.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/protocol/server.hpp"
#include "broker/runtime/uring_runtime.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {

/// One shard with its thread. Everything in it is made, used and dropped on that thread.
struct ShardHost {
    std::unique_ptr<UringRuntime> runtime;
    std::unique_ptr<cluster::Replica> replica;  ///< null: the node stands alone
    std::unique_ptr<Shard> shard;
    std::unique_ptr<delivery::DeliveryShard> delivery;
    std::unique_ptr<protocol::Server> server;
    std::promise<Result<void>> made;    ///< runtime and shard exist
    std::promise<Result<void>> opened;  ///< recovery is over
    std::promise<void> may_drop;        ///< nobody outside calls the runtime any more
    std::thread thread;
};

/// The shards of a node: started together, reached by others through `links`, stopped together.
///
/// Threads:  the main thread; each shard has its own.
class NodeShards {
  public:
    struct Wiring {
        const Config& config;
        const Clock& clock;
        MetricsRegistry& metrics;
        const cluster::ClusterNodes* nodes = nullptr;  ///< null: this node stands alone
        cluster::ClusterRecord* record = nullptr;      ///< null: the same
        peers::NodeLabels labels;                      ///< of this node
        /// Each shard, once, when it has its first view of the catalog; on its thread.
        std::function<void()> on_ready;
        /// A shard has to be copied, from `leader` where that is known; on its thread.
        std::function<void(Shard&, NodeId leader)> on_behind;
        /// Why no client is taken now; any thread.
        std::function<std::optional<Error>()> refusal;
        protocol::ClusterDoor cluster;
        std::string version;
    };
    explicit NodeShards(Wiring wiring);
    NodeShards(const NodeShards&) = delete;
    NodeShards& operator=(const NodeShards&) = delete;
    NodeShards(NodeShards&&) = delete;
    NodeShards& operator=(NodeShards&&) = delete;
    ~NodeShards();

    /// Opens all. Errors: of the first that could not; `corrupt` says which with `failed_shard`.
    [[nodiscard]] Result<void> start(const NodeIdentity& identity);
    [[nodiscard]] ShardId failed_shard() const { return failed_; }
    /// They share one port; the first may pick it. `is_first`: nobody may listen there yet, and
    /// this process has not. Errors: configuration, io.
    [[nodiscard]] Result<Endpoint> listen(Endpoint endpoint, bool is_first);
    /// Links the replicas to those of the other nodes, which are told where this one is reached.
    /// **Requires** a cluster. Errors: io.
    [[nodiscard]] Result<void> join(const peers::NodeAddresses& addresses);
    void stop();

    [[nodiscard]] const std::vector<std::unique_ptr<ShardHost>>& hosts() const { return hosts_; }
    [[nodiscard]] const protocol::ServiceTable& services() const { return services_; }
    [[nodiscard]] std::vector<cluster::ReplicaLink> replica_links() const;
    /// The shards as others outside reach them.
    template <class Link>
    [[nodiscard]] std::vector<Link> links() const {
        std::vector<Link> made;
        for (const auto& host : hosts_) {
            made.push_back({host->runtime.get(), host->shard.get(), host->delivery.get()});
            if constexpr (requires(Link link) { link.fetcher; }) {
                made.back().fetcher = &host->server->fetcher();
            }
        }
        return made;
    }

  private:
    void run(ShardHost& host, ShardId id, const NodeIdentity& identity);
    [[nodiscard]] Result<void> make(ShardHost& host, ShardId id, const NodeIdentity& identity);

    Wiring wiring_;
    std::unique_ptr<ShardMesh> mesh_;
    ShardTable shard_table_;
    delivery::DeliveryTable delivery_table_;
    protocol::ServiceTable services_;
    std::vector<std::unique_ptr<ShardHost>> hosts_;
    ShardId failed_;
    std::promise<void> all_made_;
    std::shared_future<void> all_made_future_ = all_made_.get_future().share();
    std::promise<bool> may_serve_;  ///< false: another shard could not open
    std::shared_future<bool> may_serve_future_ = may_serve_.get_future().share();
    std::atomic<std::uint64_t> last_id_{0};
};

}  // namespace millrace::broker
