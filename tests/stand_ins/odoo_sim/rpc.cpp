#include <algorithm>
#include <array>
#include <utility>

#include "tests/stand_ins/odoo_sim/business/latency.hpp"
#include "tests/stand_ins/odoo_sim/simulator.hpp"

// The JSON-RPC envelope, the login, and what goes wrong before a method runs.

namespace millrace::stand_ins {
namespace {

constexpr std::int64_t superuser_id = 1;
constexpr int first_with_json2 = 19;
constexpr std::chrono::milliseconds slow_extra{1'500};
constexpr std::chrono::milliseconds database_down_busy{15};
/// What a range of measured times spans.
struct Span {
    double min_ms;
    double max_ms;
};
constexpr Span giving_up{16'000, 19'000};
constexpr Span cold_extra{900, 2'400};
/// Of two calls that write one record the later has its lock in time, or both are undone: the
/// likelier the longer it takes. Fitted to the measured orders of one product.
constexpr double undone_per_ms = 0.004;
constexpr double undone_max = 0.5;

std::chrono::milliseconds within(const Span& span, Random& random) {
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(span.min_ms + (span.max_ms - span.min_ms) * random.unit()));
}

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

/// Python reads a NaN that JSON has none of, and the database refuses it.
bool has_nan(const std::string& body) {
    constexpr std::array before{':', ',', '['};
    for (auto at = body.find("NaN"); at != std::string::npos; at = body.find("NaN", at + 1)) {
        const auto last = at == 0 ? at : body.find_last_not_of(' ', at - 1);
        if (last != std::string::npos && std::ranges::find(before, body[last]) != before.end()) {
            return true;
        }
    }
    return false;
}

/// What a call shows that ended with a wizard, and so has done nothing.
bool is_wizard(const Json& result) {
    return result.is_object() && result.value("type", std::string()) == "ir.actions.act_window";
}

}  // namespace

HttpReply Simulator::answer(const HttpRequest& request) {
    end_controls();
    const auto posts = webhooks_.posts();
    const bool is_control = request.target.starts_with("/sim/");
    auto reply = is_control ? answer_control(request) : answer_odoo(request);
    if (reply.takes_worker && request.tries == 0 && cold_calls_left_ > 0) {
        --cold_calls_left_;
        reply.busy += within(cold_extra, random_);
    }
    if (reply.busy.count() == 0 && webhooks_.posts() == posts &&
        !database_.waits(reply.transaction)) {
        database_.publish(std::exchange(reply.transaction, 0));
    }
    return reply;
}

HttpReply Simulator::answer_odoo(const HttpRequest& request) {
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
    return answer_rpc(request);
}

HttpReply Simulator::answer_rpc(const HttpRequest& given) {
    Json request;
    try {
        request = Json::parse(given.body);
    } catch (const Json::parse_error& error) {
        if (has_nan(given.body)) {
            return {.body = error_answer(Json(),
                                         {"psycopg2.errors.InvalidTextRepresentation",
                                          "invalid input syntax for type integer: \"NaN\""})
                                .dump(),
                    .takes_worker = true};
        }
        return std::string_view(error.what()).find("surrogate") != std::string_view::npos
                   ? internal_error()
                   : bad_request("Invalid JSON data");
    }
    if (!request.is_object() || !request.contains("params") || !request["params"].is_object()) {
        return bad_request("Invalid JSON data");
    }
    if (auto struck = strike_worker()) {
        return *std::move(struck);
    }
    const auto id = request.value("id", Json());
    HttpReply reply{.takes_worker = true, .tries = given.tries + 1, .callers = given.callers};
    try {
        check_postgres(reply);
        const auto result = call_service(request["params"], reply);
        reply.body = Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}.dump();
        reply.is_dropped = mode() == Mode::drop_after_commit && strikes();
    } catch (const OdooError& error) {
        errors_[error.name] += reply.is_to_repeat ? 0U : 1U;
        reply.body = error_answer(id, error).dump();
    } catch (const Json::exception& error) {
        ++errors_["builtins.TypeError"];
        reply.body = error_answer(id, {"builtins.TypeError", error.what()}).dump();
    }
    slow_down(reply);
    return reply;
}

std::optional<HttpReply> Simulator::strike_worker() {
    if (mode() == Mode::pool_full && strikes()) {
        return internal_error();
    }
    if (mode() == Mode::worker_killed && strikes()) {
        return HttpReply{.is_dropped = true, .takes_worker = true};
    }
    return std::nullopt;
}

void Simulator::slow_down(HttpReply& reply) {
    if (mode() == Mode::slow) {
        reply.busy += slow_extra;
    }
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

void Simulator::check_postgres(HttpReply& reply) {
    const auto now = mode();
    if ((now != Mode::database_down && now != Mode::out_of_slots) || !strikes()) {
        return;
    }
    reply.busy = database_down_busy;
    const auto name = class_.empty() ? std::string("psycopg2.OperationalError") : class_;
    if (name == "psycopg2.InterfaceError") {
        throw OdooError{name, "connection already closed"};
    }
    const std::string socket =
        "connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: ";
    throw OdooError{name,
                    socket + (now == Mode::out_of_slots
                                  ? "FATAL:  sorry, too many clients already"
                                  : "Connection refused\n\tIs the server running locally and "
                                    "accepting connections on that socket?")};
}

Json Simulator::authenticate(const Json& arguments) const {
    check_database(arguments.at(0));
    const auto* const user = identities_.of_key(arguments.at(2).get<std::string>());
    return user != nullptr && arguments.at(1) == user->login ? Json(user->id) : Json(false);
}

const User& Simulator::check_login(const Json& arguments) const {
    check_database(arguments.at(0));
    const auto& id = arguments.at(1);
    if (!id.is_number_integer() || identities_.find(id.get<RecordId>()) == nullptr) {
        throw OdooError{"odoo.exceptions.MissingError",
                        "Record does not exist or has been deleted.\n(Record: res.users(" +
                            id.dump() + ",), User: " + id.dump() + ")"};
    }
    const auto* const user = identities_.of_key(arguments.at(2).get<std::string>());
    if (user == nullptr || user->id != id) {
        throw OdooError{"odoo.exceptions.AccessDenied", "Access Denied"};
    }
    return *user;
}

Json Simulator::execute(const Json& arguments, HttpReply& reply) {
    const auto& user = check_login(arguments);
    return run({.model = arguments.at(3).get<std::string>(),
                .method = arguments.at(4).get<std::string>(),
                .positional = arguments.size() > 5 ? arguments[5] : Json::array(),
                .keyword = arguments.size() > 6 ? arguments[6] : Json::object(),
                .is_administrator = user.id == superuser_id,
                .has_email = user.has_email,
                .utc_offset = user.utc_offset},
               reply);
}

Json Simulator::run(const MethodCall& call, HttpReply& reply) {
    const auto name = call.model + "." + call.method;
    calls_[name] += reply.tries == 1 ? 1U : 0U;
    if (options_.latency == Latency::measured) {
        reply.busy += measured_latency(call, reply.callers);
    }
    if (call.method == "load" && call.context().value("tz", std::string()) != "UTC" &&
        call.model != "ir.actions.server") {
        ++loads_without_utc_;
    }
    try {
        auto result = run_beside_others(call, reply);
        const auto told = results_.find(name);
        return told == results_.end() || is_wizard(result) ? result : told->second;
    } catch (const OdooError& error) {
        if (call.method != "load" || !is_lost_race(error)) {
            throw;
        }
        ++errors_["conflict in load"];
        return conflict_in_load();
    }
}

Json Simulator::run_beside_others(const MethodCall& call, HttpReply& reply) {
    strike_conflict(call, reply);
    database_.set_now(clock_.unix_now());
    database_.view_as(call.is_administrator ? Database::Viewer::everything
                                            : Database::Viewer::user);
    auto result = dispatch(database_, call, [&] {
        meet_others(call, reply);
        reply.transaction = database_.commit_unseen();
    });
    contention_.begin(reply.written);
    return result;
}

void Simulator::strike_conflict(const MethodCall& call, HttpReply& reply) {
    const auto now = mode();
    if ((now != Mode::conflict && now != Mode::late_conflict) || !strikes()) {
        return;
    }
    if (now == Mode::late_conflict && call.method != "load") {  // which Odoo does not repeat
        reply.busy += within(giving_up, random_);
    }
    throw conflict_error(call.method == "load" ? "" : class_);
}

void Simulator::meet_others(const MethodCall& call, HttpReply& reply) {
    reply.written = contended(database_);
    if (!contention_.collides(reply.written) || options_.latency != Latency::measured) {
        return;
    }
    const auto again = measured_latency(call, reply.callers);
    const auto chance = std::min(undone_max, undone_per_ms * static_cast<double>(again.count()));
    if (!random_.chance(chance)) {
        reply.busy += again;
        return;
    }
    contention_.disturb(std::exchange(reply.written, {}));
    if (call.method != "load" && reply.tries < tries_max) {
        reply.is_to_repeat = true;
        reply.busy += contention_.repeat_after(random_, reply.tries);
    }
    throw conflict_error("");
}

bool Simulator::strikes() {
    return share_ >= 1 || random_.unit() < share_;
}

}  // namespace millrace::stand_ins
