#include <array>

#include "tests/stand_ins/odoo_sim/simulator.hpp"

// `/json/2/<model>/<method>` of Odoo 19: arguments by name, a bearer key, errors with a status.

namespace millrace::stand_ins {
namespace {

constexpr std::int64_t administrator_id = 1;

void refuse(HttpReply& reply, unsigned status, const OdooError& error) {
    reply.status = status;
    reply.body = Json{{"name", error.name},
                      {"message", error.message},
                      {"arguments", {error.message}},
                      {"context", Json::object()},
                      {"debug", "Traceback (most recent call last): ..."}}
                     .dump();
}

HttpReply refusal(unsigned status, const OdooError& error) {
    HttpReply reply{.takes_worker = true};
    refuse(reply, status, error);
    return reply;
}

unsigned status_of(const OdooError& error) {
    struct Row {
        std::string_view name;
        unsigned status;
    };
    constexpr std::array rows{Row{"odoo.exceptions.AccessDenied", 401},
                              Row{"odoo.exceptions.AccessError", 403},
                              Row{"odoo.exceptions.MissingError", 404},
                              Row{"odoo.exceptions.UserError", 422},
                              Row{"odoo.exceptions.ValidationError", 422},
                              Row{"builtins.ValueError", 422},
                              Row{"builtins.TypeError", 422}};
    for (const auto& row : rows) {
        if (row.name == error.name) {
            return row.status;
        }
    }
    return 500;
}

/// Names of positional arguments, as the methods of models have them.
std::vector<std::string> names_of(const std::string& method) {
    if (method == "load") {
        return {"fields", "data"};
    }
    if (method == "create") {
        return {"vals_list"};
    }
    if (method == "write") {
        return {"vals"};
    }
    if (method == "check_object_reference") {
        return {"module", "xml_id"};
    }
    if (method == "search" || method == "search_count") {
        return {"domain"};
    }
    if (method == "search_read") {
        return {"domain", "fields"};
    }
    return method == "read" ? std::vector<std::string>{"fields"} : std::vector<std::string>{};
}

MethodCall call_of(const std::string& path, Json body) {
    const auto slash = path.find('/');
    MethodCall call{.model = path.substr(0, slash),
                    .method = slash == std::string::npos ? "" : path.substr(slash + 1)};
    if (body.contains("ids")) {
        call.positional.push_back(body["ids"]);
        body.erase("ids");
    }
    for (const auto& name : names_of(call.method)) {
        if (!body.contains(name)) {
            break;
        }
        call.positional.push_back(body[name]);
        body.erase(name);
    }
    call.keyword = std::move(body);
    return call;
}

}  // namespace

HttpReply Simulator::answer_json2(const HttpRequest& request) {
    constexpr std::string_view prefix = "/json/2/";
    constexpr std::string_view scheme = "bearer ";
    if (auto struck = strike_worker()) {
        return *std::move(struck);
    }
    const auto* const user = request.authorization.starts_with(scheme)
                                 ? identities_.of_key(request.authorization.substr(scheme.size()))
                                 : nullptr;
    if (user == nullptr) {
        return refusal(401, {"werkzeug.exceptions.Unauthorized", "Invalid apikey"});
    }
    auto body = Json::parse(request.body, nullptr, false);
    if (!body.is_object()) {
        return refusal(400, {"werkzeug.exceptions.BadRequest", "could not parse the body as json"});
    }
    HttpReply reply{.takes_worker = true, .tries = request.tries + 1, .callers = request.callers};
    try {
        check_database(request.database);
        check_postgres(reply);
        auto call = call_of(request.target.substr(prefix.size()), std::move(body));
        call.is_administrator = user->id == administrator_id;
        call.has_email = user->has_email;
        call.utc_offset = user->utc_offset;
        reply.body = run(call, reply).dump();
        reply.is_dropped = mode() == Mode::drop_after_commit && strikes();
    } catch (const OdooError& error) {
        errors_[error.name] += reply.is_to_repeat ? 0U : 1U;
        refuse(reply, status_of(error), error);
    } catch (const Json::exception& error) {
        ++errors_["builtins.TypeError"];
        refuse(reply, 422, {"builtins.TypeError", error.what()});
    }
    slow_down(reply);
    return reply;
}

}  // namespace millrace::stand_ins
