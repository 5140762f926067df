#include "broker/gateways/http/hooks/hook_file.hpp"

#include <array>
#include <set>

#include "broker/config/yaml_reader.hpp"
#include "broker/gateways/http/hooks/target_url.hpp"
#include "broker/outbound/tls_trust.hpp"
#include "broker/security/secrets.hpp"
#include "storage/base/text/lower.hpp"

// Ways in and out, in YAML whose expressions are jq programs.
//
//     hooks:
//       - name: shop
//         topic: '"shop.order." + .body.status'
//         key: .body.customer
//         event_id: .headers["x-delivery"]
//         signature: {header: X-Signature, prefix: sha256=, secret_file: /etc/millrace/shop}
//     targets:
//       - subscription: crm
//         url: https://crm.example/events
//         signature: {secret_env: CRM_SECRET}

namespace millrace::broker::http {
namespace {

constexpr std::size_t fixed_header_bytes_max = std::size_t{8} * 1024;

using Words = std::span<const std::string_view>;

Result<HookExpression> compile(const YamlReader& reader,
                               const YAML::Node& node,
                               const std::string& name) {
    if (!node.IsScalar()) {
        return reader.error(node, name + " takes a jq program as text");
    }
    auto program = expressions::JqProgram::compile(node.as<std::string>());
    if (!program) {
        return reader.error(node,
                            name + ": not a jq program: " + program.error().text +
                                "; a fixed text needs quotes inside the quotes: '\"text\"'");
    }
    return HookExpression{.name = name, .program = std::move(program).value()};
}

Result<std::optional<HookExpression>> compile_optional(const YamlReader& reader,
                                                       const YAML::Node& map,
                                                       const char* key) {
    if (!map[key]) {
        return std::optional<HookExpression>();
    }
    MILLRACE_TRY(auto expression, compile(reader, map[key], key));
    return std::optional(std::move(expression));
}

Result<std::vector<std::string>> secrets_of(const YamlReader& reader, const YAML::Node& map) {
    SecretSource source;
    MILLRACE_TRY(source.file, reader.optional_text(map, "secret_file"));
    MILLRACE_TRY(source.variable, reader.optional_text(map, "secret_env"));
    auto secrets = load_secrets(source);
    if (!secrets) {
        return reader.error(map, secrets.error().text);
    }
    return secrets;
}

Result<void> read_check(const YamlReader& reader,
                        const YAML::Node& node,
                        HookCheck::Kind kind,
                        HookCheck& check) {
    constexpr std::array<std::string_view, 5> signature_keys{
        "header", "prefix", "encoding", "secret_file", "secret_env"};
    constexpr std::array<std::string_view, 5> token_keys{
        "header", "query", "prefix", "secret_file", "secret_env"};
    MILLRACE_TRY(reader.check_keys(
        node, kind == HookCheck::Kind::signature ? Words(signature_keys) : Words(token_keys)));
    check.kind = kind;
    if (node["query"] && node["header"]) {
        return reader.error(node, "a token is in a \"header\" or in the \"query\"; one of them");
    }
    MILLRACE_TRY(check.query, reader.optional_text(node, "query"));
    if (check.query.empty()) {
        MILLRACE_TRY(auto header, reader.text(node, "header"));
        check.header = ascii_lower(header);
    }
    MILLRACE_TRY(check.prefix, reader.optional_text(node, "prefix"));
    MILLRACE_TRY(const auto encoding, reader.optional_text(node, "encoding"));
    if (!encoding.empty() && encoding != "hex" && encoding != "base64") {
        return reader.error(node["encoding"], "encoding takes hex or base64");
    }
    check.encoding = encoding == "base64" ? HookCheck::Encoding::base64 : HookCheck::Encoding::hex;
    MILLRACE_TRY(check.secrets, secrets_of(reader, node));
    return ok();
}

/// Nobody shall be let in by what was forgotten.
Result<HookCheck> check_of(const YamlReader& reader, const YAML::Node& node) {
    HookCheck check;
    MILLRACE_TRY(const bool is_open, reader.flag(node, "open"));
    const auto ways = static_cast<int>(is_open) + static_cast<int>(bool(node["signature"])) +
                      static_cast<int>(bool(node["token"]));
    if (ways != 1) {
        return reader.error(node,
                            "a hook has a \"signature\" or a \"token\", or says \"open: true\"; "
                            "one of them");
    }
    if (node["signature"]) {
        MILLRACE_TRY(read_check(reader, node["signature"], HookCheck::Kind::signature, check));
    } else if (node["token"]) {
        MILLRACE_TRY(read_check(reader, node["token"], HookCheck::Kind::token, check));
    }
    return check;
}

Result<std::vector<HookExpression>> headers_of(const YamlReader& reader, const YAML::Node& node) {
    std::vector<HookExpression> headers;
    const auto map = node["headers"];
    if (!map) {
        return headers;
    }
    if (!map.IsMap()) {
        return reader.error(map, "\"headers\" takes a map of header to jq program");
    }
    for (const auto& entry : map) {
        MILLRACE_TRY(auto header, compile(reader, entry.second, entry.first.as<std::string>()));
        headers.push_back(std::move(header));
    }
    return headers;
}

Result<Hook> hook_of(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 11> known{"name",
                                                     "topic",
                                                     "key",
                                                     "event_id",
                                                     "event_time",
                                                     "value",
                                                     "when",
                                                     "headers",
                                                     "signature",
                                                     "token",
                                                     "open"};
    MILLRACE_TRY(reader.check_keys(node, known));
    MILLRACE_TRY(auto name, reader.text(node, "name"));
    if (!node["topic"]) {
        return reader.error(node, "\"topic\" is missing");
    }
    MILLRACE_TRY(auto check, check_of(reader, node));
    MILLRACE_TRY(auto topic, compile(reader, node["topic"], "topic"));
    Hook hook{.name = std::move(name), .check = std::move(check), .topic = std::move(topic)};
    MILLRACE_TRY(hook.key, compile_optional(reader, node, "key"));
    MILLRACE_TRY(hook.event_id, compile_optional(reader, node, "event_id"));
    MILLRACE_TRY(hook.event_time, compile_optional(reader, node, "event_time"));
    MILLRACE_TRY(hook.value, compile_optional(reader, node, "value"));
    MILLRACE_TRY(hook.when, compile_optional(reader, node, "when"));
    MILLRACE_TRY(hook.headers, headers_of(reader, node));
    return hook;
}

Result<NamedTexts> fixed_headers(const YamlReader& reader, const YAML::Node& node) {
    NamedTexts headers;
    const auto map = node["headers"];
    if (!map) {
        return headers;
    }
    if (!map.IsMap()) {
        return reader.error(map, "\"headers\" takes a map of header to text");
    }
    for (const auto& entry : map) {
        const auto name = entry.first.as<std::string>();
        const auto value = entry.second.IsScalar() ? entry.second.as<std::string>() : std::string();
        const bool is_line = value.find_first_of("\r\n") == std::string::npos &&
                             name.find_first_of("\r\n: ") == std::string::npos;
        if (!is_line || !entry.second.IsScalar()) {
            return reader.error(entry.first, "a header is a name and a text on one line");
        }
        if (name.size() + value.size() > fixed_header_bytes_max) {
            return reader.error(entry.first,
                                "a header has up to " + std::to_string(fixed_header_bytes_max) +
                                    " bytes with its name");
        }
        headers.emplace_back(name, value);
    }
    return headers;
}

/// Where the target is, and whose certificates are taken.
Result<void> read_address(const YamlReader& reader, const YAML::Node& node, WebhookTarget& target) {
    MILLRACE_TRY(const auto url, reader.text(node, "url"));
    MILLRACE_TRY(const auto ca_file, reader.optional_text(node, "ca_file"));
    auto parsed = parse_target_url(url);
    if (!parsed) {
        return reader.error(node["url"], parsed.error().text);
    }
    target.peer.host = std::move(parsed.value().host);
    target.peer.port = std::move(parsed.value().port);
    target.path = std::move(parsed.value().path);
    if (!parsed.value().is_https) {
        return ca_file.empty() ? Result<void>(ok())
                               : reader.error(node["ca_file"], "\"ca_file\" is for https://");
    }
    auto trust = TlsTrust::load(ca_file, "ca_file");
    if (!trust) {
        return reader.error(ca_file.empty() ? node : node["ca_file"], trust.error().text);
    }
    target.peer.trust = std::move(trust).value();
    return ok();
}

Result<WebhookTarget> target_of(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 7> known{
        "subscription", "url", "ca_file", "headers", "signature", "timeout_ms", "concurrency"};
    constexpr std::array<std::string_view, 2> signature_keys{"secret_file", "secret_env"};
    MILLRACE_TRY(reader.check_keys(node, known));
    WebhookTarget target;
    MILLRACE_TRY(target.subscription, reader.text(node, "subscription"));
    MILLRACE_TRY(read_address(reader, node, target));
    MILLRACE_TRY(target.headers, fixed_headers(reader, node));
    if (const auto signature = node["signature"]) {
        MILLRACE_TRY(reader.check_keys(signature, signature_keys));
        MILLRACE_TRY(target.secrets, secrets_of(reader, signature));
    }
    MILLRACE_TRY(
        const auto timeout,
        reader.number(node, "timeout_ms", {.min = 100, .max = 600'000, .otherwise = 10'000}));
    target.timeout = std::chrono::milliseconds(timeout);
    MILLRACE_TRY(target.concurrency,
                 reader.number(node, "concurrency", {.min = 1, .max = 64, .otherwise = 4}));
    return target;
}

Result<HookFile> file_of(const std::string& name, const YAML::Node& root) {
    constexpr std::array<std::string_view, 2> known{"hooks", "targets"};
    const YamlReader reader(name);
    HookFile file;
    if (root.IsNull()) {
        return file;
    }
    MILLRACE_TRY(reader.check_keys(root, known));
    MILLRACE_TRY(reader.each(root, "hooks", [&](const YAML::Node& node) -> Result<void> {
        MILLRACE_TRY(auto hook, hook_of(reader, node));
        const auto key = hook.name;
        if (!file.hooks.emplace(key, std::move(hook)).second) {
            return reader.error(node, "the hook \"" + key + "\" stands here twice");
        }
        return ok();
    }));
    std::set<std::string> fed;
    MILLRACE_TRY(reader.each(root, "targets", [&](const YAML::Node& node) -> Result<void> {
        MILLRACE_TRY(auto target, target_of(reader, node));
        if (!fed.insert(target.subscription).second) {
            return reader.error(
                node, "the subscription \"" + target.subscription + "\" has a target already");
        }
        file.targets.push_back(std::move(target));
        return ok();
    }));
    return file;
}

}  // namespace

Result<HookFile> load_hook_file(const std::string& path) {
    MILLRACE_TRY(const auto text, load_text(path, ""));
    return parse_hook_file(path, text);
}

Result<HookFile> parse_hook_file(const std::string& name, const std::string& text) {
    return read_yaml(name, text, [&](const YAML::Node& root) { return file_of(name, root); });
}

}  // namespace millrace::broker::http
