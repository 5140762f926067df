#include "broker/odoo/mapping.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "client/wire/record.hpp"
#include "client/wire/topic_pattern.hpp"

namespace millrace::broker::odoo {
namespace {

using Json = nlohmann::json;

Fault mapping_fault(std::string text) {
    return {.cause = Cause::mapping, .error = std::move(text)};
}

Fault fault_at(const Expression& expression, const std::string& text) {
    return mapping_fault(expression.place + ": " + expression.name + ": " + text);
}

/// The one output of an expression. Errors: as the program raises them; invalid_argument for more
/// or fewer outputs.
Result<Json> evaluate(const Expression& expression, const std::string& event) {
    MILLRACE_TRY(const auto outputs, expression.program.run(event));
    if (outputs.size() != 1) {
        return fail(Errc::invalid_argument,
                    "gives " + std::to_string(outputs.size()) + " values where one is wanted");
    }
    return Json::parse(outputs.front(), nullptr, false);
}

/// What `load` takes: a string; nothing for null.
Result<std::string> format_cell(const Json& value) {
    std::string text;
    if (value.is_string()) {
        text = value.get<std::string>();
    } else if (value.is_boolean()) {
        text = value.get<bool>() ? "True" : "False";
    } else if (value.is_number()) {
        text = value.dump();
    } else if (!value.is_null()) {
        return fail(Errc::invalid_argument,
                    "gives " + value.dump() + ", and a cell is a text, a number or true or false");
    }
    if (text.find('\0') != std::string::npos) {
        return fail(Errc::invalid_argument, "gives a text with a NUL, which Odoo refuses");
    }
    return text;
}

std::variant<Row, Fault> plan_row(const Step& step, const std::string& event) {
    Row row;
    row.reserve(step.cells.size() + 1);
    const auto id = evaluate(step.external_id, event);
    if (!id) {
        return fault_at(step.external_id, id.error().text);
    }
    if (!id.value().is_string() || id.value().get_ref<const std::string&>().empty()) {
        return fault_at(step.external_id, "gives " + id.value().dump() + ", and a text is wanted");
    }
    auto name = id.value().get<std::string>();
    if (name.find_first_of(" \t\n") != std::string::npos || std::ranges::count(name, '.') > 1) {
        return fault_at(step.external_id,
                        "\"" + name +
                            "\" is no external id: one dot at most and no blanks; the function "
                            "external_name makes a part of one of any text");
    }
    row.push_back(name.find('.') == std::string::npos ? "millrace." + name : std::move(name));
    for (const auto& cell : step.cells) {
        const auto value = evaluate(cell, event);
        if (!value) {
            return fault_at(cell, value.error().text);
        }
        auto text = format_cell(value.value());
        if (!text) {
            return fault_at(cell, text.error().text);
        }
        row.push_back(std::move(text).value());
    }
    return row;
}

}  // namespace

Result<std::string> format_event_json(const EventView& event) {
    MILLRACE_TRY(const auto record, wire::parse_plain_record(event.record));
    Json json{{"topic", event.topic},
              {"partition", event.partition_index},
              {"offset", event.offset.value},
              {"append_time", event.append_time_us},
              {"event_time", record.event_time_us},
              {"attempt", event.attempt},
              {"key", nullptr},
              {"headers", Json::object()}};
    if (record.key) {
        json["key"] = *record.key;
    }
    for (const auto& header : record.headers) {
        json["headers"][std::string(header.key)] = header.value;
    }
    auto value = Json::parse(record.value, nullptr, false);
    json["value"] = value.is_discarded() ? Json(record.value) : std::move(value);
    try {
        return json.dump();
    } catch (const Json::exception&) {  // the library's way to say that a text is not UTF-8
        return fail(Errc::malformed, "key, value or a header is not UTF-8");
    }
}

Plan Mapping::plan(const EventView& event) const {
    const auto rule = std::ranges::find_if(rules_, [&](const Rule& one) {
        return std::ranges::any_of(one.topics, [&](const std::string& pattern) {
            return wire::is_match(pattern, event.topic);
        });
    });
    if (rule == rules_.end()) {
        return mapping_fault("no mapping for topic \"" + std::string(event.topic) + "\"");
    }
    const auto json = format_event_json(event);
    if (!json) {
        return mapping_fault("the event cannot be read: " + json.error().text);
    }
    if (rule->when) {
        const auto wanted = evaluate(*rule->when, json.value());
        if (!wanted) {
            return fault_at(*rule->when, wanted.error().text);
        }
        if (wanted.value().is_null() || wanted.value() == false) {
            return NotWanted{};
        }
    }
    Planned planned{.rule = static_cast<std::size_t>(rule - rules_.begin()), .rows = {}};
    for (const auto& step : rule->steps) {
        auto row = plan_row(step, json.value());
        if (auto* const fault = std::get_if<Fault>(&row)) {
            return std::move(*fault);
        }
        planned.rows.push_back(std::get<Row>(std::move(row)));
    }
    return planned;
}

std::string format_columns(const Step& step) {
    Json columns = Json::array({"id"});
    for (const auto& cell : step.cells) {
        columns.push_back(cell.name);
    }
    return columns.dump();
}

std::string format_rows(std::span<const Row* const> rows) {
    Json json = Json::array();
    for (const auto* const row : rows) {
        json.push_back(*row);
    }
    return json.dump();
}

}  // namespace millrace::broker::odoo
