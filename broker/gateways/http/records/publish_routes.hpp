#pragma once

#include <cstdint>

#include "broker/gateways/http/records/publisher.hpp"
#include "broker/gateways/http/routing/route.hpp"

namespace millrace::broker::http {

struct PublishRouteOptions {
    std::uint64_t records_max = 10'000;  ///< of one request
    Counter* records_max_reached = nullptr;
};
/// POST of records. What is given must outlive the routes.
[[nodiscard]] Routes publish_routes(Publisher& publisher, PublishRouteOptions options);

/// The answer to a publish: 200 where all is published, 207 where some is, and where nothing is the
/// problem of the first; `records` says it of each, in order.
[[nodiscard]] Response answer_of(const std::vector<RecordOutcome>& outcomes);

}  // namespace millrace::broker::http
