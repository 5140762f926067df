#pragma once

#include <nlohmann/json_fwd.hpp>

#include "broker/catalog/catalog_view.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// How topics and subscriptions stand in commands and in the state: rare, so readable. Fields that
/// are missing keep their default, so that tomorrow's program reads today's catalog.
[[nodiscard]] nlohmann::json to_json(const TopicInfo& topic);
[[nodiscard]] nlohmann::json to_json(const SubscriptionInfo& subscription);
/// Errors: corrupt.
[[nodiscard]] Result<TopicInfo> topic_from_json(const nlohmann::json& json);
[[nodiscard]] Result<SubscriptionInfo> subscription_from_json(const nlohmann::json& json);

}  // namespace millrace::broker
