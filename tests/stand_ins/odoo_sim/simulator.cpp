#include "tests/stand_ins/odoo_sim/simulator.hpp"

#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

// What the stand-in can be told to do, and what it shows of itself: /sim/...

namespace millrace::stand_ins {
namespace {

constexpr std::array<std::pair<std::string_view, Mode>, 8> mode_names{
    {{"up", Mode::up},
     {"down", Mode::down},
     {"slow", Mode::slow},
     {"conflict", Mode::conflict},
     {"database_down", Mode::database_down},
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
    : options_(std::move(options)), clock_(clock), random_(options_.seed) {
    database_.begin();
    (void)database_.create("res.users", {{"login", options_.administrator}});
    (void)database_.create("res.users", {{"login", options_.login}});
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
    try {
        const auto after = parameter(request.target, "after");
        const auto answer =
            path == "/sim/mode" && request.method == "POST"       ? control_mode(body)
            : path == "/sim/records" && request.method == "POST"  ? control_records(body)
            : path == "/sim/write" && request.method == "POST"    ? control_write(body)
            : path == "/sim/unlink" && request.method == "POST"   ? control_unlink(body)
            : path == "/sim/webhooks" && request.method == "POST" ? control_webhooks(body)
            : path == "/sim/forget" && request.method == "POST"   ? control_forget(body)
            : path == "/sim/refuse" && request.method == "POST"   ? control_refuse(body)
            : path == "/sim/records" ? show_records(parameter(request.target, "model"))
            : path == "/sim/journal"
                ? show_journal(parameter(request.target, "model"),
                               after.empty() ? 0 : std::strtoull(after.c_str(), nullptr, 10))
            : path == "/sim/stats" ? show_stats()
                                   : Json();
        if (answer.is_null()) {
            return {.status = 404, .body = R"({"error": "there is no such control"})"};
        }
        return {.body = answer.dump()};
    } catch (const OdooError& error) {
        return {.status = 400, .body = Json{{"error", error.message}}.dump()};
    } catch (const Json::exception& error) {
        return {.status = 400, .body = Json{{"error", error.what()}}.dump()};
    }
}

void Simulator::end(const HttpReply& reply) {
    busy_ += reply.busy;
    for (const auto& record : reply.written) {
        const auto found = writing_.find(record);
        if (found != writing_.end() && --found->second == 0) {
            writing_.erase(found);
        }
    }
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
        } else {
            database_.commit();
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
            {"concurrent_writes", concurrent_writes_},
            {"worker_busy_ms", busy_.count()},
            {"webhook_posts", webhooks_.posts()},
            {"connections", connections_}};
}

}  // namespace millrace::stand_ins
