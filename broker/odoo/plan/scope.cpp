#include "broker/odoo/plan/scope.hpp"

#include "client/expressions/outside_json.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::odoo {
namespace {

Error error_at(const Expression& expression, const std::string& text) {
    return fail(Errc::invalid_argument, expression.fault(text).error);
}

/// A text or a number as text. Errors: invalid_argument.
Result<std::string> word_of(const Expression& expression, const Json& value) {
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
        return value.get<std::string>();
    }
    if (value.is_number()) {
        return value.dump();
    }
    return error_at(expression, "gives " + value.dump() + ", and a text is wanted");
}

}  // namespace

Result<Scope> Scope::of(const EventView& event) {
    MILLRACE_TRY(const auto record, wire::parse_plain_record(event.record));
    Json json{{"topic", event.topic},
              {"topic_created", event.topic_created_us},
              {"partition", event.partition_index},
              {"offset", event.offset.value},
              {"append_time", event.append_time_us},
              {"event_time", record.event_time_us},
              {"attempt", event.attempt},
              {"key", nullptr},
              {"headers", Json::object()},
              {"steps", Json::object()}};
    if (record.key) {
        json["key"] = *record.key;
    }
    for (const auto& header : record.headers) {
        json["headers"][std::string(header.key)] = header.value;
    }
    auto value = expressions::parse_outside_json(record.value);
    json["value"] = value.is_discarded() ? Json(record.value) : std::move(value);
    try {
        return Scope(std::move(json));
    } catch (const Json::exception&) {  // the library's way to say that a text is not UTF-8
        return fail(Errc::malformed, "key, value or a header is not UTF-8");
    }
}

Result<Scope> Scope::of_json(const std::string& text) {
    auto json = expressions::parse_outside_json(text);
    if (!json.is_object() || !json.contains("value")) {
        return fail(Errc::malformed,
                    "an event is a JSON object with topic, key, value and headers: {\"topic\": "
                    "\"plant1.mes.step\", \"key\": \"WO-1\", \"value\": {...}}");
    }
    const Json presets{{"topic_created", 0},
                       {"partition", 0},
                       {"offset", 0},
                       {"append_time", 0},
                       {"event_time", 0},
                       {"attempt", 1},
                       {"key", nullptr},
                       {"headers", Json::object()}};
    for (const auto& [name, value] : presets.items()) {
        if (!json.contains(name)) {
            json[name] = value;
        }
    }
    if (json.contains("event_time_us")) {
        json["event_time"] = json["event_time_us"];
    }
    if (!json["headers"].is_object() || !json.value("topic", Json()).is_string()) {
        return fail(Errc::malformed, "topic is a text and headers are an object");
    }
    json["steps"] = Json::object();
    return Scope(std::move(json));
}

std::string Scope::topic() const {
    return json_.at("topic").get<std::string>();
}

void Scope::add_step(const std::string& name, Json result) {
    if (!name.empty()) {
        json_["steps"][name] = std::move(result);
        text_ = json_.dump();
    }
}

void Scope::forget_steps() {
    json_["steps"] = Json::object();
    text_ = json_.dump();
}

Result<std::string> event_id_of(const Rule& rule, const Scope& scope) {
    if (rule.event_id) {
        const auto value = rule.event_id->evaluate(scope.text());
        return value ? word_of(*rule.event_id, value.value())
                     : error_at(*rule.event_id, value.error().text);
    }
    const auto& headers = scope.json().at("headers");
    const auto found = headers.find("event-id");
    if (found != headers.end() && found->is_string() &&
        !found->get_ref<const std::string&>().empty()) {
        return found->get<std::string>();
    }
    const auto& created = scope.json().at("topic_created");
    return scope.topic() + "/" + scope.json().at("partition").dump() + "@" +
           scope.json().at("offset").dump() + (created == 0 ? "" : "#" + created.dump());
}

Result<std::vector<std::string>> lanes_of(const Rule& rule, const Scope& scope) {
    std::vector<std::string> lanes;
    if (!rule.lane) {
        return lanes;
    }
    const auto value = rule.lane->evaluate(scope.text());
    if (!value) {
        return error_at(*rule.lane, value.error().text);
    }
    if (value.value().is_null()) {
        return lanes;
    }
    const auto list = value.value().is_array() ? value.value() : Json::array({value.value()});
    for (const auto& one : list) {
        MILLRACE_TRY(auto lane, word_of(*rule.lane, one));
        lanes.push_back("lane " + lane);
    }
    return lanes;
}

std::string external_name(std::string_view text) {
    std::string name;
    const auto is_plain = [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '-';
    };
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        name += is_plain(byte) ? std::string(1, c) : "_" + std::to_string(byte) + "_";
    }
    return name;
}

}  // namespace millrace::broker::odoo
