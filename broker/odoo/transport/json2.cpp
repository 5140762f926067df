#include "broker/odoo/transport/json2.hpp"

#include <utility>

#include "broker/odoo/answers/json_text.hpp"
#include "client/expressions/outside_json.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr unsigned unauthorized = 401;

}  // namespace

Json json2_body(const Call& call) {
    Json body = call.named;
    for (const auto& [name, value] : call.positional) {
        body[name] = value;
    }
    if (call.ids) {
        body["ids"] = *call.ids;
    }
    if (!call.context.empty()) {
        body["context"] = call.context;
    }
    return body;
}

Reply parse_json2_answer(unsigned status, std::string_view body) {
    const auto json = expressions::parse_outside_json(body);
    if (status == http_ok) {
        if (!json.is_discarded()) {
            return json.dump();
        }
        return Fault{.cause = Cause::configuration,
                     .error = "the answer is not JSON: is odoo_url the address of Odoo itself?",
                     .response = readable_text(body, response_bytes_max)};
    }
    if (status == unauthorized) {
        return Fault{.cause = Cause::authorization, .error = "Odoo refuses the API key"};
    }
    const auto name = json.is_object() ? json.find("name") : json.end();
    const auto message = json.is_object() ? json.find("message") : json.end();
    if (name != json.end() && name->is_string() && message != json.end() && message->is_string()) {
        const auto& text = message->get_ref<const std::string&>();
        auto fault = classify_error(name->get_ref<const std::string&>(), text);
        if (!is_known_class(name->get_ref<const std::string&>()) && fault.cause == Cause::mapping) {
            fault.cause = classify_status(status, text).cause;
        }
        return fault;
    }
    return classify_status(status, body);
}

Json2Transport::Json2Transport(boost::asio::io_context& context, OdooTarget target)
    : login_(std::move(target.login)), poster_(context, std::move(target.peer), target.limits) {}

void Json2Transport::call(const Call& call, ReplyDone done) {
    HttpPost post{.path = "/json/2/" + call.model + "/" + call.method,
                  .headers = {{"Authorization", "bearer " + login_.key},
                              {"X-Odoo-Database", login_.database}},
                  .body = json2_body(call).dump()};
    poster_.post(std::move(post), [done = std::move(done)](const HttpOutcome& outcome) {
        if (const auto* const fault = std::get_if<Fault>(&outcome)) {
            done(*fault);
            return;
        }
        const auto& answer = std::get<HttpAnswered>(outcome);
        done(parse_json2_answer(answer.status, answer.body));
    });
}

Result<OdooApi> parse_odoo_api(std::string_view text) {
    if (text == "jsonrpc") {
        return OdooApi::jsonrpc;
    }
    if (text == "json2") {
        return OdooApi::json2;
    }
    return fail(Errc::configuration,
                "odoo_api: \"" + std::string(text) +
                    "\" is not jsonrpc (Odoo up to 21) or json2 (from 19 on)");
}

std::unique_ptr<Transport> make_transport(OdooApi api,
                                          boost::asio::io_context& context,
                                          OdooTarget target) {
    if (api == OdooApi::json2) {
        return std::make_unique<Json2Transport>(context, std::move(target));
    }
    return std::make_unique<JsonRpcTransport>(context, std::move(target));
}

}  // namespace millrace::broker::odoo
