#pragma once

#include <string>

#include "broker/gateways/http/routing/route.hpp"

namespace millrace::broker::http {

/// The OpenAPI 3.1 document of a table of routes.
[[nodiscard]] Json openapi_document(const Routes& routes, const std::string& version);

}  // namespace millrace::broker::http
