#include "broker/odoo/answers/ledger_answer.hpp"

#include "broker/odoo/answers/json_text.hpp"
#include "client/expressions/outside_json.hpp"

namespace millrace::broker::odoo {
namespace {

using Json = nlohmann::json;

Fault unexpected(std::string_view result) {
    return {.cause = Cause::configuration,
            .error =
                "the action of the ledger answers in a shape that is not known: run millrace "
                "odoo install again",
            .response = readable_text(result, response_bytes_max)};
}

std::string text_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Fault refusal(const Json& event) {
    const auto name = text_at(event, "class");
    const auto message = text_at(event, "message");
    if (name == "MillraceUnknownMethod") {
        return {.cause = Cause::configuration,
                .error = "the action of the ledger does not know " + message +
                         ": run millrace odoo install again, with this mapping"};
    }
    auto fault = classify_error(name, message);
    if (name == "MillraceUnexpected") {
        fault.error = message;
        fault.may_pass_later = true;
    }
    return fault;
}

}  // namespace

LedgerAnswer parse_ledger_answer(std::string_view result, std::size_t event_count) {
    const auto json = expressions::parse_outside_json(result);
    const auto events = json.is_object() ? json.find("millrace") : json.end();
    if (!json.is_object() || events == json.end() || !events->is_array() ||
        events->size() != event_count) {
        return unexpected(result);
    }
    std::vector<LedgerOutcome> outcomes;
    for (const auto& event : *events) {
        const auto status = event.is_object() ? text_at(event, "status") : std::string();
        const auto ids = event.is_object() ? event.find("ids") : event.end();
        if ((status == "ok" || status == "duplicate") && ids != event.end() && ids->is_object()) {
            outcomes.emplace_back(LedgerDone{.is_duplicate = status == "duplicate", .ids = *ids});
        } else if (status == "error") {
            outcomes.emplace_back(refusal(event));
        } else {
            return unexpected(result);
        }
    }
    return outcomes;
}

}  // namespace millrace::broker::odoo
