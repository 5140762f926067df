#pragma once

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/subscription_status.hpp"
#include "broker/gateways/http/routing/route.hpp"

namespace millrace::broker::http {

/// Members of a subscription that may be altered, and those that stand once it is made.
[[nodiscard]] std::vector<Field> alterable_subscription_fields();
[[nodiscard]] std::vector<Field> subscription_fields();

/// **Requires** that the router has checked the body.
[[nodiscard]] SubscriptionInfo subscription_from(const Json& body);
[[nodiscard]] SubscriptionAlteration subscription_alteration_from(const std::string& name,
                                                                  const Json& body);

[[nodiscard]] Json to_json(const SubscriptionInfo& info);
[[nodiscard]] Json to_json(const delivery::SubscriptionStatus& status, const CatalogView& view);

/// "earliest", "latest" or a moment. Errors: invalid_argument.
[[nodiscard]] Result<std::pair<StartAt, UnixMicros>> parse_start(std::string_view text);

}  // namespace millrace::broker::http
