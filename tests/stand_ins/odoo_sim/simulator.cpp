#include "tests/stand_ins/odoo_sim/simulator.hpp"

#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

// What the stand-in can be told to do, and what it shows of itself: /sim/...

namespace millrace::stand_ins {
namespace {

/// How often a call that waits for another's lock looks again.
constexpr std::chrono::milliseconds lock_look{5};

constexpr std::array<std::pair<std::string_view, Mode>, 10> mode_names{
    {{"up", Mode::up},
     {"down", Mode::down},
     {"slow", Mode::slow},
     {"conflict", Mode::conflict},
     {"late_conflict", Mode::late_conflict},
     {"database_down", Mode::database_down},
     {"out_of_slots", Mode::out_of_slots},
     {"pool_full", Mode::pool_full},
     {"drop_after_commit", Mode::drop_after_commit},
     {"worker_killed", Mode::worker_killed}}};

/// The value of a parameter of a query, as it stands; model names need no decoding.
std::string parameter(const std::string& target, const std::string& name) {
    const auto query = target.find('?');
    auto at = query == std::string::npos ? std::string::npos : target.find(name + "=", query);
    if (at == std::string::npos) {
        return {};
    }
    at += name.size() + 1;
    return target.substr(at, target.find('&', at) - at);
}

}  // namespace

Simulator::Simulator(SimulatorOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      random_(options_.seed),
      cold_calls_left_(options_.cold_calls) {
    database_.begin();
    for (const auto& [login, key] : {std::pair(options_.administrator, options_.administrator_key),
                                     std::pair(options_.login, options_.key)}) {
        const auto id = database_.create("res.users", {{"login", login}});
        identities_.add({.id = id, .login = login, .key = key});
    }
    database_.name_record("base.group_user",
                          "res.groups",
                          database_.create("res.groups", {{"name", "Internal User"}}));
    database_.name_record("base.model_ir_model_data",
                          "ir.model",
                          database_.create("ir.model", {{"name", "Model Data"}}));
    database_.commit();
    database_.watch([this](const RecordChange& change) { webhooks_.on_change(database_, change); });
}

Mode Simulator::mode() {
    if (has_end_ && clock_.steady_now() >= mode_ends_) {
        set_mode(Mode::up, 1, {});
    }
    return mode_;
}

void Simulator::set_mode(Mode mode, double share, std::chrono::milliseconds duration) {
    if (mode_ == Mode::down && mode != Mode::down) {
        cold_calls_left_ = options_.cold_calls;
    }
    mode_ = mode;
    share_ = share;
    has_end_ = duration.count() > 0;
    mode_ends_ = clock_.steady_now() + duration;
}

HttpReply Simulator::answer_control(const HttpRequest& request) {
    const auto path = request.target.substr(0, request.target.find('?'));
    const auto body =
        request.body.empty() ? Json::object() : Json::parse(request.body, nullptr, false);
    if (!body.is_object()) {
        return {.status = 400, .body = R"({"error": "the body is not a JSON object"})"};
    }
    HttpReply reply;
    try {
        const auto after = parameter(request.target, "after");
        const auto answer =
            request.method == "POST" ? run_control(path, body)
            : path == "/sim/records" ? show_records(parameter(request.target, "model"))
            : path == "/sim/journal"
                ? show_journal(parameter(request.target, "model"),
                               after.empty() ? 0 : std::strtoull(after.c_str(), nullptr, 10))
            : path == "/sim/stats" ? show_stats()
                                   : Json();
        if (answer.is_null()) {
            return {.status = 404, .body = R"({"error": "there is no such control"})"};
        }
        reply.transaction = std::exchange(changed_, 0);
        reply.body = answer.dump();
        return reply;
    } catch (const OdooError& error) {
        return {.status = 400, .body = Json{{"error", error.message}}.dump()};
    } catch (const Json::exception& error) {
        return {.status = 400, .body = Json{{"error", error.what()}}.dump()};
    }
}

Json Simulator::run_control(const std::string& path, const Json& body) {
    using Control = Json (Simulator::*)(const Json&);
    static const std::map<std::string_view, Control> controls{
        {"/sim/mode", &Simulator::control_mode},
        {"/sim/user", &Simulator::control_user},
        {"/sim/hide", &Simulator::control_hide},
        {"/sim/result", &Simulator::control_result},
        {"/sim/next", &Simulator::control_next},
        {"/sim/records", &Simulator::control_records},
        {"/sim/write", &Simulator::control_write},
        {"/sim/unlink", &Simulator::control_unlink},
        {"/sim/webhooks", &Simulator::control_webhooks},
        {"/sim/forget", &Simulator::control_forget},
        {"/sim/refuse", &Simulator::control_refuse}};
    const auto control = controls.find(path);
    if (control == controls.end()) {
        return {};
    }
    database_.view_as(Database::Viewer::everything);
    return (this->*control->second)(body);
}

std::chrono::milliseconds Simulator::end(const HttpReply& reply) {
    busy_ += reply.busy;
    if (contention_.end(reply.written)) {
        return contention_.repeat_after(random_, 1);
    }
    // Where latencies are measured ones, contention has counted the wait already.
    if (reply.takes_worker && options_.latency != Latency::measured &&
        database_.waits(reply.transaction)) {
        return lock_look;
    }
    database_.publish(reply.transaction);
    return std::chrono::milliseconds::zero();
}

void Simulator::end_controls() {
    const auto ended = controls_.upper_bound(clock_.steady_now());
    for (auto at = controls_.begin(); at != ended; at = controls_.erase(at)) {
        database_.publish(at->second);
    }
}

Json Simulator::control_user(const Json& body) {
    auto& user = identities_.at(body.value("login", options_.login));
    user.is_archived = body.value("archived", user.is_archived);
    user.is_key_expired = body.value("key_expired", user.is_key_expired);
    user.has_email = body.value("email", user.has_email);
    user.utc_offset =
        std::chrono::minutes(body.value("utc_offset_minutes", user.utc_offset.count()));
    return {{"id", user.id}};
}

Json Simulator::control_hide(const Json& body) {
    const auto model = body.at("model").get<std::string>();
    const auto id = body.at("id").get<RecordId>();
    (void)database_.at(model, id);
    body.value("show", false) ? database_.show(model, id) : database_.hide(model, id);
    return {{"id", id}};
}

Json Simulator::control_result(const Json& body) {
    const auto method =
        body.at("model").get<std::string>() + "." + body.at("method").get<std::string>();
    if (body.contains("result")) {
        results_[method] = body["result"];
    } else {
        results_.erase(method);
    }
    return {{"method", method}};
}

Json Simulator::control_next(const Json& body) {
    Planned planned{
        .method = body.at("model").get<std::string>() + "." + body.at("method").get<std::string>(),
        .after = body.value("after", std::size_t{0}),
        .error = std::nullopt};
    if (!body.value("wizard", false)) {
        planned.error = conflict_error(body.value("class", std::string()));
    }
    auto told = Json{{"method", planned.method}};
    database_.plan(std::move(planned));
    return told;
}

Json Simulator::control_mode(const Json& body) {
    const auto wanted = body.at("mode").get<std::string>();
    set_class(body.value("class", std::string()));
    for (const auto& [name, mode] : mode_names) {
        if (name == wanted) {
            set_mode(
                mode, body.value("share", 1.0), std::chrono::milliseconds(body.value("for_ms", 0)));
            return {{"mode", wanted}};
        }
    }
    throw user_error("there is no mode \"" + wanted + "\"");
}

template <class Change>
Json Simulator::change(const Json& body, Change work) {
    database_.set_now(clock_.unix_now());
    database_.begin();
    try {
        const auto id = work();
        if (body.value("roll_back", false)) {
            database_.roll_back();
        } else if (const auto takes = std::chrono::milliseconds(body.value("takes_ms", 0));
                   takes.count() > 0) {
            controls_.emplace(clock_.steady_now() + takes, database_.commit_unseen());
        } else {
            changed_ = database_.commit_unseen();
        }
        return {{"id", id}};
    } catch (const OdooError&) {
        database_.roll_back();
        throw;
    }
}

Json Simulator::control_records(const Json& body) {
    return change(body, [&] {
        const auto model = body.at("model").get<std::string>();
        const auto external_id = body.value("external_id", std::string());
        const auto id = database_.create(model, body.value("values", Json::object()));
        if (!external_id.empty()) {
            database_.name_record(external_id, model, id);
        }
        return id;
    });
}

Json Simulator::control_write(const Json& body) {
    return change(body, [&] {
        const auto id = body.at("id").get<RecordId>();
        database_.write(body.at("model"), id, body.at("values"));
        return id;
    });
}

Json Simulator::control_unlink(const Json& body) {
    return change(body, [&] {
        const auto id = body.at("id").get<RecordId>();
        database_.unlink(body.at("model"), id);
        return id;
    });
}

Json Simulator::control_webhooks(const Json& body) {
    if (body.value("clear", false)) {
        webhooks_.clear();
        return {{"webhooks", "none"}};
    }
    Webhook webhook{.model = body.at("model"), .url = body.at("url"), .fields = {}};
    webhook.action = body.value("action", webhook.action);
    webhook.fields = body.value("fields", std::vector<std::string>());
    webhook.has_trigger_fields = body.value("trigger_fields", false);
    webhook.is_on_unlink = body.value("on_unlink", false);
    (void)Database::model(webhook.model);
    webhooks_.add(webhook);
    return {{"url", webhook.url}};
}

Json Simulator::control_forget(const Json& body) {
    const auto model = body.at("model").get<std::string>();
    database_.begin();
    const auto ids = database_.by_name(model, body.at("name").get<std::string>());
    for (const auto id : ids) {
        database_.unlink(model, id);
    }
    database_.commit();
    return {{"forgotten", ids.size()}};
}

Json Simulator::control_refuse(const Json& body) {
    const auto product = body.at("product").get<std::string>();
    if (body.value("allow", false)) {
        database_.allow_product(product);
    } else {
        database_.refuse_product(product);
    }
    return {{"product", product}};
}

Json Simulator::show_records(const std::string& model) const {
    Json records = Json::array();
    for (const auto& [id, record] : database_.all(model)) {
        records.push_back({{"id", id},
                           {"external_id", record.external_id},
                           {"values", record.values},
                           {"writes", record.writes}});
    }
    return {{"records", records}};
}

Json Simulator::show_journal(const std::string& model, std::uint64_t after) const {
    Json changes = Json::array();
    for (const auto& change : database_.journal()) {
        if (change.sequence > after && (model.empty() || change.model == model)) {
            changes.push_back({{"sequence", change.sequence},
                               {"model", change.model},
                               {"id", change.id},
                               {"external_id", change.external_id},
                               {"method", change.method},
                               {"values", change.values}});
        }
    }
    return {{"changes", changes}};
}

Json Simulator::show_stats() const {
    Json records = Json::object();
    std::uint64_t overwritten = 0;
    for (const auto& [name, model] : schema()) {
        const auto& table = database_.all(name);
        records[name] = table.size();
        for (const auto& [id, record] : table) {
            overwritten += record.writes > 1 ? record.writes - 1 : 0;
        }
    }
    return {{"calls", calls_},
            {"errors", errors_},
            {"records", records},
            {"changes", database_.journal().size()},
            {"overwritten", overwritten},
            {"loads_without_utc", loads_without_utc_},
            {"concurrent_writes", contention_.concurrent_writes()},
            {"repeats", contention_.repeats()},
            {"worker_busy_ms", busy_.count()},
            {"webhook_posts", webhooks_.posts()},
            {"connections", connections_}};
}

}  // namespace millrace::stand_ins
