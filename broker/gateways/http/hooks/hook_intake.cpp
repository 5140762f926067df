#include "broker/gateways/http/hooks/hook_intake.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "broker/gateways/http/routing/body_check.hpp"
#include "broker/security/digest.hpp"
#include "client/expressions/outside_json.hpp"
#include "client/wire/event_id.hpp"
#include "storage/base/text/base64.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

std::string expected(const HookCheck& check, const std::string& secret, const std::string& body) {
    if (check.kind == HookCheck::Kind::token) {
        return secret;
    }
    const auto digest = hmac_sha256(secret, body);
    return check.encoding == HookCheck::Encoding::base64 ? format_base64(digest)
                                                         : format_hex(digest);
}

Json as_object(const NamedTexts& texts) {
    auto object = Json::object();
    for (const auto& [name, value] : texts) {
        object[name] = value;
    }
    return object;
}

/// The text of a program's first output; nothing where that is null or there is none.
Result<std::optional<std::string>> evaluate(const HookExpression& expression,
                                            const std::string& document) {
    const auto outputs = expression.program.run(document);
    if (!outputs) {
        return fail(Errc::invalid_argument, expression.name + ": " + outputs.error().text);
    }
    if (outputs.value().empty() || outputs.value().front() == "null") {
        return std::optional<std::string>();
    }
    const auto output = expressions::parse_outside_json<Json>(outputs.value().front());
    return std::optional(output.is_string() ? output.get<std::string>() : outputs.value().front());
}

Result<std::optional<std::string>> evaluate(const std::optional<HookExpression>& expression,
                                            const std::string& document) {
    return expression ? evaluate(*expression, document) : std::optional<std::string>();
}

Result<void> fill(IncomingRecord& record, const Hook& hook, const std::string& document) {
    MILLRACE_TRY(record.key, evaluate(hook.key, document));
    MILLRACE_TRY(const auto value, evaluate(hook.value, document));
    record.value = value.value_or(record.value);
    for (const auto& header : hook.headers) {
        MILLRACE_TRY(auto text, evaluate(header, document));
        if (text) {
            record.headers.emplace_back(header.name, std::move(*text));
        }
    }
    MILLRACE_TRY(auto id, evaluate(hook.event_id, document));
    if (id) {
        record.headers.emplace_back(wire::event_id_header, std::move(*id));
    }
    MILLRACE_TRY(const auto time, evaluate(hook.event_time, document));
    if (!time) {
        return ok();
    }
    const auto moment = parse_moment(*time);
    if (!moment) {
        return fail(Errc::invalid_argument, "event_time: \"" + *time + "\" is no moment");
    }
    record.event_time_us = *moment;
    return ok();
}

}  // namespace

bool is_admitted(const HookCheck& check, const Request& request) {
    if (check.kind == HookCheck::Kind::none) {
        return true;
    }
    const auto target = parse_target(request.target);
    auto given = std::string_view();
    if (check.query.empty()) {
        given = request.header(check.header).value_or("");
    } else if (target) {
        given = target.value().param(check.query).value_or("");
    }
    if (!given.starts_with(check.prefix)) {
        return false;
    }
    given.remove_prefix(check.prefix.size());
    // Every secret is looked at, whichever fits.
    bool is_good = false;
    for (const auto& secret : check.secrets) {
        is_good |= is_equal_in_constant_time(given, expected(check, secret, request.body));
    }
    return is_good;
}

std::string hook_document(const Request& request, const Target& target) {
    const auto body = parse_json(request.body);
    const Json document{{"headers", as_object(request.headers)},
                        {"query", as_object(target.query)},
                        {"body_sha256", format_hex(sha256(request.body))},
                        {"body", body ? body.value() : Json(request.body)}};
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::optional<HookRecord>> record_of_hook(const Hook& hook,
                                                 const Request& request,
                                                 const Target& target) {
    auto shown = target;
    std::erase_if(shown.query, [&](const auto& one) { return one.first == hook.check.query; });
    const auto document = hook_document(request, shown);
    MILLRACE_TRY(const auto wanted, evaluate(hook.when, document));
    if (hook.when && (!wanted || *wanted == "false")) {
        return std::optional<HookRecord>();
    }
    HookRecord made;
    MILLRACE_TRY(auto topic, evaluate(hook.topic, document));
    if (!topic) {
        return fail(Errc::invalid_argument, "topic: the expression gave nothing");
    }
    made.topic = std::move(*topic);
    made.record.value = request.body;
    if (const auto type = request.header("content-type"); type && !hook.value) {
        made.record.headers.emplace_back("content-type", *type);
    }
    MILLRACE_TRY(fill(made.record, hook, document));
    return std::optional(std::move(made));
}

}  // namespace millrace::broker::http
