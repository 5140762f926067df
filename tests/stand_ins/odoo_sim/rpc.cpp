#include <algorithm>

#include "tests/stand_ins/odoo_sim/business/latency.hpp"
#include "tests/stand_ins/odoo_sim/simulator.hpp"

// The JSON-RPC envelope, the login, and what goes wrong before a method runs.

namespace millrace::stand_ins {
namespace {

constexpr std::int64_t administrator_id = 1;
constexpr std::int64_t user_id = 2;
constexpr int first_with_json2 = 19;
constexpr std::chrono::milliseconds slow_extra{1'500};
constexpr std::chrono::milliseconds database_down_busy{15};

/// Between two and eight thousand bytes, as a real one.
std::string traceback_of(const OdooError& error) {
    std::string text = "Traceback (most recent call last):\n";
    for (int line = 100; text.size() < 2'500; line += 17) {
        text += "  File \"/usr/lib/python3/dist-packages/odoo/http.py\", line " +
                std::to_string(line) + ", in _serve_db\n    return service_model.retrying(...)\n";
    }
    return text + error.name + ": " + error.message + "\n";
}

Json error_answer(const Json& id, const OdooError& error) {
    return {{"jsonrpc", "2.0"},
            {"id", id},
            {"error",
             {{"code", 200},
              {"message", "Odoo Server Error"},
              {"data",
               {{"name", error.name},
                {"debug", traceback_of(error)},
                {"message", error.message},
                {"arguments", {error.message}},
                {"context", Json::object()}}}}}};
}

HttpReply bad_request(const char* text) {
    return {.status = 400, .content_type = "text/html", .body = text};
}

/// The pool is full, or a string holds a lone surrogate.
HttpReply internal_error() {
    return {.status = 500,
            .content_type = "text/html",
            .body = "<html>Internal Server Error</html>",
            .takes_worker = true};
}

/// What `load` says about a conflict: a row without a class.
Json conflict_result() {
    return {{"ids", false},
            {"messages",
             {{{"type", "error"},
               {"rows", {{"from", 0}, {"to", 0}}},
               {"record", 0},
               {"message", "could not serialize access due to concurrent update"}}}},
            {"nextrow", 0}};
}

}  // namespace

HttpReply Simulator::answer(const HttpRequest& request) {
    if (request.target.starts_with("/sim/")) {
        return answer_control(request);
    }
    if (request.target == "/web/health") {
        return {.body = R"({"status": "pass"})"};
    }
    if (request.target.starts_with("/json/2/") && options_.version >= first_with_json2) {
        return answer_json2(request);
    }
    if (request.target.starts_with("/json/2/")) {
        return {.status = 303, .content_type = "text/html", .body = "", .location = "/web/login"};
    }
    if (request.target != "/jsonrpc") {
        return {.status = 404, .content_type = "text/html", .body = "Not Found"};
    }
    if (request.method != "POST" || !request.content_type.starts_with("application/json")) {
        return bad_request("Function declared as capable of handling request of type 'json'");
    }
    return answer_rpc(request.body);
}

HttpReply Simulator::answer_rpc(const std::string& body) {
    Json request;
    try {
        request = Json::parse(body);
    } catch (const Json::parse_error& error) {
        return std::string_view(error.what()).find("surrogate") != std::string_view::npos
                   ? internal_error()
                   : bad_request("Invalid JSON data");
    }
    if (!request.is_object() || !request.contains("params") || !request["params"].is_object()) {
        return bad_request("Invalid JSON data");
    }
    if (mode() == Mode::pool_full && strikes()) {
        return internal_error();
    }
    if (mode() == Mode::worker_killed && strikes()) {
        return {.is_dropped = true, .takes_worker = true};
    }
    const auto id = request.value("id", Json());
    HttpReply reply{.takes_worker = true};
    try {
        if (mode() == Mode::database_down && strikes()) {
            reply.busy = database_down_busy;
            throw OdooError{class_.empty() ? "psycopg2.OperationalError" : class_,
                            "connection to server on socket failed: Connection refused"};
        }
        const auto result = call_service(request["params"], reply);
        reply.body = Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}.dump();
        reply.is_dropped = mode() == Mode::drop_after_commit && strikes();
    } catch (const OdooError& error) {
        ++errors_[error.name];
        reply.body = error_answer(id, error).dump();
    } catch (const Json::exception& error) {
        ++errors_["builtins.TypeError"];
        reply.body = error_answer(id, {"builtins.TypeError", error.what()}).dump();
    }
    if (mode() == Mode::slow) {
        reply.busy += slow_extra;
    }
    return reply;
}

Json Simulator::call_service(const Json& params, HttpReply& reply) {
    const auto service = params.value("service", std::string());
    const auto method = params.value("method", std::string());
    const auto arguments = params.value("args", Json::array());
    if (service == "common" && method == "version") {
        return {{"server_version", "18.0"}, {"server_serie", "18.0"}, {"protocol_version", 1}};
    }
    if (service == "common" && method == "authenticate") {
        return authenticate(arguments);
    }
    if (service == "object" && method == "execute_kw") {
        return execute(arguments, reply);
    }
    throw OdooError{"builtins.AttributeError", "no method " + service + "." + method};
}

void Simulator::check_database(const Json& name) const {
    if (name != options_.database) {
        throw OdooError{"psycopg2.OperationalError",
                        "connection to server failed: FATAL:  database \"" +
                            name.get<std::string>() + "\" does not exist"};
    }
}

std::int64_t Simulator::user_of(const std::string& key) const {
    return key == options_.key ? user_id : key == options_.administrator_key ? administrator_id : 0;
}

Json Simulator::authenticate(const Json& arguments) const {
    check_database(arguments.at(0));
    const auto user = user_of(arguments.at(2).get<std::string>());
    const auto& login = user == administrator_id ? options_.administrator : options_.login;
    return user != 0 && arguments.at(1) == login ? Json(user) : Json(false);
}

void Simulator::check_login(const Json& arguments) const {
    check_database(arguments.at(0));
    if (arguments.at(1) != user_id && arguments.at(1) != administrator_id) {
        throw OdooError{"odoo.exceptions.MissingError",
                        "Record does not exist or has been deleted.\n(Record: res.users(" +
                            arguments.at(1).dump() + ",), User: " + arguments.at(1).dump() + ")"};
    }
    if (user_of(arguments.at(2).get<std::string>()) != arguments.at(1)) {
        throw OdooError{"odoo.exceptions.AccessDenied", "Access Denied"};
    }
}

Json Simulator::execute(const Json& arguments, HttpReply& reply) {
    check_login(arguments);
    return run({.model = arguments.at(3).get<std::string>(),
                .method = arguments.at(4).get<std::string>(),
                .positional = arguments.size() > 5 ? arguments[5] : Json::array(),
                .keyword = arguments.size() > 6 ? arguments[6] : Json::object(),
                .is_administrator = arguments.at(1) == administrator_id},
               reply);
}

Json Simulator::run(const MethodCall& call, HttpReply& reply) {
    ++calls_[call.model + "." + call.method];
    if (options_.latency == Latency::measured) {
        reply.busy = measured_latency(call);
    }
    if (mode() == Mode::conflict && strikes()) {
        if (call.method == "load") {
            ++errors_["conflict in load"];
            return conflict_result();
        }
        throw OdooError{class_.empty() ? "psycopg2.errors.SerializationFailure" : class_,
                        "could not serialize access due to concurrent update"};
    }
    if (call.method == "load" && call.context().value("tz", std::string()) != "UTC" &&
        call.model != "ir.actions.server") {
        ++loads_without_utc_;
    }
    database_.set_now(clock_.unix_now());
    const auto before = database_.journal().size();
    auto result = dispatch(database_, call);
    std::set<std::string> written;
    for (auto at = before; at < database_.journal().size(); ++at) {
        const auto& change = database_.journal()[at];
        written.insert(change.model + "#" + std::to_string(change.id));
    }
    for (const auto& record : written) {
        concurrent_writes_ += writing_[record]++ > 0 ? 1U : 0U;
    }
    reply.written = {written.begin(), written.end()};
    return result;
}

bool Simulator::strikes() {
    return share_ >= 1 || random_.unit() < share_;
}

}  // namespace millrace::stand_ins
