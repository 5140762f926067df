#pragma once

#include <string>

#include "broker/feed/subscription_feed.hpp"
#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/gateways/http/server/message.hpp"

namespace millrace::broker::http {

/// What is posted for a record: its value as it is, and beside it where it lies and what it is.
struct PostRequest {
    NamedTexts headers;
    std::string body;
};

/// What the value of a header may have, written out: more than that few servers take.
inline constexpr std::size_t post_header_bytes_max = std::size_t{8} * 1024;

/// Signed where the target has a secret: `Millrace-Signature: sha256=` and the HMAC-SHA256, in
/// hexadecimal, of the seconds in `Millrace-Timestamp`, a dot, and the body. Errors: malformed for
/// a record that does not parse, frame_too_large for one that needs a header beyond
/// `post_header_bytes_max`.
[[nodiscard]] Result<PostRequest> post_of(const FeedEvent& event,
                                          const WebhookTarget& target,
                                          UnixMicros now_us);

}  // namespace millrace::broker::http
