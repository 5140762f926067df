#pragma once

#include <nlohmann/json_fwd.hpp>

#include "broker/gateways/http/records/record_text.hpp"

namespace millrace::broker::http {

/// CloudEvents 1.0 as records. The attributes become headers `ce_<name>`, as in the binding for
/// Kafka; `datacontenttype` becomes `content-type`, `time` the event time, `partitionkey` or else
/// `subject` the key. Since an id is unique only together with its source, `event-id` is
/// `<source>#<id>`.

/// One event in structured mode. Errors: invalid_argument.
[[nodiscard]] Result<IncomingRecord> record_from_cloud_event(const nlohmann::ordered_json& json);

/// Whether a request carries an event in binary mode.
[[nodiscard]] bool is_binary_cloud_event(const Request& request);
/// Errors: invalid_argument, malformed.
[[nodiscard]] Result<IncomingRecord> record_from_binary_cloud_event(const Request& request);

}  // namespace millrace::broker::http
