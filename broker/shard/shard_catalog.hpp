#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/catalog_state.hpp"
#include "broker/consensus/group.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {

/// The catalog as one shard sees it; on shard 0 also its owner.
///
/// Promise:  a change is answered after it is durable and every shard has the view that contains
/// it. Threads:  its shard's; the others are reached through the runtime.
class ShardCatalog final : public CatalogService, public consensus::StateMachine {
  public:
    struct Wiring {
        ShardId shard;
        std::uint32_t shard_count = 1;
        Runtime& runtime;
        storage::ShardStore* const& store;
        /// The catalog of another shard; used only on that shard's thread.
        std::function<ShardCatalog*(ShardId)> peer;
        /// Group 0; only on shard 0.
        std::function<void(std::string command, consensus::ProposeDone done)> propose;
        /// The view of this shard changed.
        std::function<void(const CatalogPtr&)> on_view;
    };
    ShardCatalog(Wiring wiring, CatalogLimits limits);

    /// Shard 0: reads the rows. Errors: corrupt.
    [[nodiscard]] Result<void> restore();
    /// Shard 0: gives every shard its first view, once the runtimes turn.
    void publish_first_view();
    /// Shard 0 of a replica that does not serve: once a turn, what was applied becomes visible.
    void follow();
    [[nodiscard]] bool has_cluster() const { return !state_.make_view()->cluster_id.empty(); }
    void apply(const consensus::Entry& entry) override;

    [[nodiscard]] CatalogPtr view() const override { return view_; }
    void create_topic(TopicSpec spec, IfExists if_exists, TopicDone done) override;
    void alter_topic(TopicAlteration change, TopicDone done) override;
    void delete_topic(std::string name, CatalogDone done) override;
    void create_subscription(SubscriptionInfo definition,
                             IfExists if_exists,
                             SubscriptionDone done) override;
    void delete_subscription(std::string name, CatalogDone done) override;
    void pause_subscription(std::string name, std::string reason, SubscriptionDone done) override;
    void drain_subscription(std::string name, std::string reason, SubscriptionDone done) override;
    void alter_subscription(SubscriptionAlteration change, SubscriptionDone done) override;
    void resume_subscription(std::string name, SubscriptionDone done) override;
    void seek_subscription(std::string name,
                           StartAt start,
                           UnixMicros time_us,
                           SubscriptionDone done) override;
    void set_node_duty(NodeId node, NodeDuty duty, CatalogDone done) override;

  private:
    using Outcome = CatalogState::Outcome;
    using OutcomeDone = std::function<void(Result<Outcome>)>;
    void change(Result<CatalogCommand> formatted, OutcomeDone done);
    void change_on_owner(ShardId origin, CatalogCommand command, OutcomeDone done);
    void spread(const CatalogPtr& view, std::function<void()> done);
    void set_view(const CatalogPtr& view);
    [[nodiscard]] CatalogState::Rows rows();

    Wiring wiring_;
    CatalogState state_;
    bool has_changed_ = true;                   ///< since the last `follow`
    Result<Outcome> last_outcome_ = Outcome{};  ///< of the command that was applied last
    CatalogPtr view_ = std::make_shared<const CatalogView>();
};

}  // namespace millrace::broker
