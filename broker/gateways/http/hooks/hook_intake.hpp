#pragma once

#include <optional>
#include <string>

#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/gateways/http/records/record_text.hpp"
#include "broker/gateways/http/routing/target.hpp"

namespace millrace::broker::http {

/// Whether a post comes from who may: its signature over the body, or its token, is that of one of
/// the hook's secrets.
[[nodiscard]] bool is_admitted(const HookCheck& check, const Request& request);

/// What jq programs see of a post: `headers` (names in lower case), `query`, `body` (a text where
/// it is no JSON) and `body_sha256`.
[[nodiscard]] std::string hook_document(const Request& request, const Target& target);

struct HookRecord {
    std::string topic;
    IncomingRecord record;
};
/// What a post becomes; nothing where the hook does not want it. Errors: invalid_argument with the
/// name of the expression that failed.
[[nodiscard]] Result<std::optional<HookRecord>> record_of_hook(const Hook& hook,
                                                               const Request& request,
                                                               const Target& target);

}  // namespace millrace::broker::http
