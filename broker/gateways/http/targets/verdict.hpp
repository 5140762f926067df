#pragma once

#include <string>

#include "broker/delivery/subscriptions.hpp"
#include "broker/gateways/http/server/message.hpp"

namespace millrace::broker::http {

/// What a post to a target came to.
struct PostAnswer {
    enum class Kind : std::uint8_t {
        answered,
        unreachable,  ///< not sent
        refused,      ///< not sent: TLS does not let us, and waiting does not help
        unknown,      ///< sent, and no answer
    };
    Kind kind = Kind::answered;
    unsigned status = 0;
    NamedTexts headers;  ///< names in lower case
    std::string body;
    std::string error;  ///< where there is no answer
};

/// Bytes of an answer that stay with a dead letter.
inline constexpr std::size_t response_bytes_max = 2048;

/// Whether a record is done with, and if not, why and when to try again: 2xx is; 408, 425, 429 and
/// 5xx pass, Retry-After being honoured; 401 and 403 stop everything until somebody has looked; 3xx
/// is an address that is wrong; any other status is the record's fault. A target that is not there
/// is out, one that TLS does not trust is to be set, and when nobody knows the outcome that is
/// said.
struct Verdict {
    bool is_done = false;
    delivery::Nack nack;
};
[[nodiscard]] Verdict judge(const PostAnswer& answer);

}  // namespace millrace::broker::http
