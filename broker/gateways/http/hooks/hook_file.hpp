#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/gateways/http/server/message.hpp"
#include "broker/outbound/peer.hpp"
#include "client/expressions/jq_program.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// A jq program of the file, and what it is for.
struct HookExpression {
    std::string name;
    expressions::JqProgram program;
};

/// How a hook knows who posts.
struct HookCheck {
    enum class Kind : std::uint8_t { none, signature, token };
    enum class Encoding : std::uint8_t { hex, base64 };
    Kind kind = Kind::none;
    std::string header;  ///< lower case; empty: the query has it
    std::string query;   ///< parameter with the token, for those who can send no header
    std::string prefix;  ///< before the signature or the token, "sha256="
    Encoding encoding = Encoding::hex;
    std::vector<std::string> secrets;
};

/// A way in: what becomes of a post to /v1/hooks/{name}.
struct Hook {
    std::string name;
    HookCheck check;
    HookExpression topic;
    std::optional<HookExpression> key;
    std::optional<HookExpression> event_id;
    std::optional<HookExpression> event_time;
    std::optional<HookExpression> value;  ///< else the body as it came
    std::optional<HookExpression> when;
    std::vector<HookExpression> headers;  ///< named as the record's headers
};

/// A way out: records of a subscription are posted to an address.
struct WebhookTarget {
    std::string subscription;
    Peer peer;
    std::string path;
    NamedTexts headers;
    std::vector<std::string> secrets;  ///< the first signs; none: unsigned
    std::chrono::milliseconds timeout{10'000};
    std::size_t concurrency = 4;
};

struct HookFile {
    std::map<std::string, Hook, std::less<>> hooks;
    std::vector<WebhookTarget> targets;
};

/// The file that docs/http.md describes, with its secrets. Errors: configuration, with file and
/// line.
[[nodiscard]] Result<HookFile> load_hook_file(const std::string& path);
/// The same from text, for tests. `name` stands in errors.
[[nodiscard]] Result<HookFile> parse_hook_file(const std::string& name, const std::string& text);

}  // namespace millrace::broker::http
