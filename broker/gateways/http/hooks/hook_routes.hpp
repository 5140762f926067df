#pragma once

#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/gateways/http/records/publisher.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// Posts from systems that send what they like: they are checked, turned into a record by the
/// hook's programs, and answered when that is durable. What is given must outlive the routes.
[[nodiscard]] Routes hook_routes(const HookFile& file,
                                 Publisher& publisher,
                                 MetricsRegistry& metrics);

}  // namespace millrace::broker::http
