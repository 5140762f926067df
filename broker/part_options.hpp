#pragma once

#include <memory>

#include "broker/cluster/cluster_desk.hpp"
#include "broker/config/config.hpp"
#include "broker/data_directory.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/job_runner.hpp"
#include "broker/gateways/http/http_door.hpp"
#include "broker/protocol/server.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {

/// What the parts of a node are told, from the node's settings.
[[nodiscard]] LogLevel log_level_of(const Config& config);
[[nodiscard]] ShardOptions shard_options_of(const Config& config,
                                            ShardId id,
                                            const NodeIdentity& identity);
[[nodiscard]] delivery::DeliveryOptions delivery_options_of(const Config& config);
[[nodiscard]] protocol::SessionLimits session_limits_of(const Config& config);
[[nodiscard]] http::DoorOptions door_options_of(const Config& config, std::string version);

[[nodiscard]] cluster::PlacementRules placement_rules_of(const Config& config);
[[nodiscard]] delivery::JobRunner::Options job_options_of(const Config& config);
/// `desk` and `seat` may be made later, before a session asks; a node that stands alone has no
/// seat.
[[nodiscard]] protocol::ClusterDoor cluster_door_by(
    const std::unique_ptr<cluster::ClusterDesk>& desk,
    const std::unique_ptr<cluster::ClusterSeat>& seat);
/// `desk` may be made later, before the door takes requests.
[[nodiscard]] http::NodeAdmission admission_by(const std::unique_ptr<cluster::ClusterDesk>& desk);

}  // namespace millrace::broker
