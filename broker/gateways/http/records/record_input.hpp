#pragma once

#include <vector>

#include "broker/gateways/http/records/record_text.hpp"

namespace millrace::broker::http {

/// The records of a request, in order; what is no record stands there as its error, so that the
/// others are published.
using ParsedRecords = std::vector<Result<IncomingRecord>>;

/// What is published, from the body in whichever form its content type names. An Idempotency-Key
/// becomes the event id of records that have none: as it is for one, followed by `/` and the number
/// in the request for more.
/// Errors, for the request as a whole: malformed, invalid_argument, limit_reached
/// (http_request_records_max).
[[nodiscard]] Result<ParsedRecords> parse_records(const Request& request,
                                                  std::string_view content_type,
                                                  std::uint64_t records_max);

/// Content types that `parse_records` reads.
[[nodiscard]] const std::vector<std::string_view>& record_content_types();
[[nodiscard]] bool is_record_content_type(const Request& request, std::string_view content_type);

}  // namespace millrace::broker::http
