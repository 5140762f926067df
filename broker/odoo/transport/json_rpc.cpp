#include "broker/odoo/transport/json_rpc.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "broker/odoo/answers/json_text.hpp"
#include "client/expressions/outside_json.hpp"

namespace millrace::broker::odoo {
namespace {

std::string text_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Anything may answer with an object; only JSON-RPC says its version and whose answer it is.
bool is_answer_to(const Json& json, std::uint64_t request_id) {
    if (!json.is_object() || text_at(json, "jsonrpc") != "2.0") {
        return false;
    }
    const auto id = json.find("id");
    // Odoo does not know the id of what it could not read.
    return id != json.end() && (*id == request_id || (id->is_null() && json.contains("error")));
}

}  // namespace

Reply parse_rpc_answer(std::string_view body, std::uint64_t request_id) {
    const auto json = expressions::parse_outside_json(body);
    if (!is_answer_to(json, request_id)) {
        return Fault{.cause = Cause::configuration,
                     .error = "the answer is not JSON-RPC: is odoo_url the address of Odoo itself?",
                     .response = readable_text(body, response_bytes_max)};
    }
    const auto error = json.find("error");
    if (error == json.end()) {
        const auto result = json.find("result");
        return result == json.end() ? std::string("null") : result->dump();
    }
    const auto data = error->is_object() ? error->find("data") : error->end();
    if (!error->is_object() || data == error->end() || !data->is_object()) {
        return Fault{.cause = Cause::mapping,
                     .error = "Odoo refused the call without saying why",
                     .response = readable_text(error->dump(), response_bytes_max)};
    }
    return classify_error(text_at(*data, "name"), text_at(*data, "message"));
}

std::pair<Json, Json> rpc_arguments(const Call& call) {
    Json positional = Json::array();
    if (call.ids) {
        positional.push_back(*call.ids);
    }
    for (const auto& [name, value] : call.positional) {
        positional.push_back(value);
    }
    Json keyword = call.named;
    if (!call.context.empty()) {
        keyword["context"] = call.context;
    }
    return {std::move(positional), std::move(keyword)};
}

struct JsonRpcTransport::Impl : std::enable_shared_from_this<Impl> {
    Impl(boost::asio::io_context& io, OdooTarget target)
        : login(std::move(target.login)), poster(io, std::move(target.peer), target.limits) {}

    struct Waiting {
        Call call;
        ReplyDone done;
    };

    OdooLogin login;
    HttpPoster poster;
    std::int64_t uid = 0;  ///< 0: not logged in
    bool is_logging_in = false;
    std::vector<Waiting> waiting;  ///< for the login
    std::uint64_t last_request = 0;

    void post(Json params, ReplyDone done);
    void log_in();
    void end_login(const Reply& reply);
    void execute(const Call& call, ReplyDone done);
};

void JsonRpcTransport::Impl::post(Json params, ReplyDone done) {
    const auto id = ++last_request;
    const Json body{
        {"jsonrpc", "2.0"}, {"method", "call"}, {"id", id}, {"params", std::move(params)}};
    poster.post({.path = "/jsonrpc", .headers = {}, .body = body.dump()},
                [id, done = std::move(done)](const HttpOutcome& outcome) {
                    if (const auto* const fault = std::get_if<Fault>(&outcome)) {
                        done(*fault);
                        return;
                    }
                    const auto& answer = std::get<HttpAnswered>(outcome);
                    answer.status == http_ok ? done(parse_rpc_answer(answer.body, id))
                                             : done(classify_status(answer.status, answer.body));
                });
}

void JsonRpcTransport::Impl::log_in() {
    if (std::exchange(is_logging_in, true)) {
        return;
    }
    post({{"service", "common"},
          {"method", "authenticate"},
          {"args", {login.database, login.login, login.key, Json::object()}}},
         [this](const Reply& reply) { end_login(reply); });
}

void JsonRpcTransport::Impl::end_login(const Reply& reply) {
    is_logging_in = false;
    Fault fault;
    if (const auto* const failed = std::get_if<Fault>(&reply)) {
        fault = *failed;
        if (fault.cause == Cause::outcome_unknown) {
            fault.cause = Cause::outage;  // nothing was asked for yet
        }
    } else {
        const auto json = Json::parse(std::get<std::string>(reply), nullptr, false);
        uid = json.is_number_integer() ? json.get<std::int64_t>() : 0;
        fault = {.cause = Cause::authorization,
                 .error = "Odoo refuses the login \"" + login.login + "\" to database \"" +
                          login.database + "\": check odoo_login and the key"};
    }
    for (auto& one : std::exchange(waiting, {})) {
        uid != 0 ? execute(one.call, std::move(one.done)) : one.done(fault);
    }
}

void JsonRpcTransport::Impl::execute(const Call& call, ReplyDone done) {
    auto [positional, keyword] = rpc_arguments(call);
    post({{"service", "object"},
          {"method", "execute_kw"},
          {"args",
           {login.database,
            uid,
            login.key,
            call.model,
            call.method,
            std::move(positional),
            std::move(keyword)}}},
         [this, done = std::move(done)](Reply reply) {
             const auto* const fault = std::get_if<Fault>(&reply);
             if (fault != nullptr && fault->cause == Cause::authorization) {
                 uid = 0;  // the next call learns whether the login still stands
             }
             done(std::move(reply));
         });
}

JsonRpcTransport::JsonRpcTransport(boost::asio::io_context& context, OdooTarget target)
    : impl_(std::make_shared<Impl>(context, std::move(target))) {}

JsonRpcTransport::~JsonRpcTransport() {
    stop();
}

void JsonRpcTransport::call(const Call& call, ReplyDone done) {
    if (impl_->uid != 0) {
        impl_->execute(call, std::move(done));
        return;
    }
    impl_->waiting.push_back({.call = call, .done = std::move(done)});
    impl_->log_in();
}

void JsonRpcTransport::stop() {
    impl_->waiting.clear();
    impl_->poster.stop();
}

}  // namespace millrace::broker::odoo
