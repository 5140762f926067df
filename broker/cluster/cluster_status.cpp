#include "broker/cluster/cluster_status.hpp"

#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace millrace::broker::cluster {
namespace {

/// The reports of all shards, as they come.
struct Gathering {
    NodeId self;
    std::vector<ShardReport> reports;
    std::size_t left = 0;
    std::function<void(ClusterReport)> done;

    void take(std::size_t shard, ShardReport report) {
        reports[shard] = std::move(report);
        if (--left == 0) {
            done(merge_reports(self, reports));
        }
    }
};

ShardReport report_of(const ReplicaLink& link) {
    ShardReport report{
        .standing = link.shard->standing(), .groups = link.shard->groups(), .own = {}, .peers = {}};
    if (link.replica != nullptr) {
        report.own = link.replica->own();
        report.peers = link.replica->peers();
        if (link.shard->id().value == 0) {
            report.wanted = link.replica->wanted_members();
            report.drained = link.replica->drained();
            report.leaving = link.replica->leaving();
        }
    }
    return report;
}

/// What waits for the answer ends on the control thread: the shard keeps nothing of it.
void ask(const ReplicaLink& link,
         std::size_t shard,
         boost::asio::io_context& control,
         std::shared_ptr<Gathering> gathering) {
    link.runtime->post_from_outside(
        [link, shard, &control, gathering = std::move(gathering)]() mutable {
            boost::asio::post(
                control,
                [shard, gathering = std::move(gathering), report = report_of(link)]() mutable {
                    gathering->take(shard, std::move(report));
                });
        });
}

}  // namespace

void ClusterStatus::gather(std::function<void(ClusterReport report)> done) const {
    const auto gathering =
        std::make_shared<Gathering>(Gathering{.self = self_,
                                              .reports = std::vector<ShardReport>(shards_.size()),
                                              .left = shards_.size(),
                                              .done = std::move(done)});
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        ask(shards_[i], i, control_, gathering);
    }
}

}  // namespace millrace::broker::cluster
