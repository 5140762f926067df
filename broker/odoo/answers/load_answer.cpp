#include "broker/odoo/answers/load_answer.hpp"

#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "broker/odoo/answers/json_text.hpp"
#include "client/expressions/outside_json.hpp"

namespace millrace::broker::odoo {
namespace {

Fault unexpected_load(std::string_view result) {
    return {.cause = Cause::mapping,
            .error = "load answered in a shape that is not known",
            .response = readable_text(result, response_bytes_max)};
}

std::string text_of(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) {
        return {};
    }
    return found->is_string() ? found->get<std::string>() : found->dump();
}

/// Rows that a message blames, within the call.
std::pair<std::size_t, std::size_t> rows_of(const nlohmann::json& message) {
    const auto rows = message.find("rows");
    if (rows != message.end() && rows->is_object()) {
        const auto from = rows->find("from");
        const auto to = rows->find("to");
        if (from != rows->end() && to != rows->end() && from->is_number_unsigned() &&
            to->is_number_unsigned()) {
            return {from->get<std::size_t>(), to->get<std::size_t>() + 1};
        }
    }
    const auto record = message.find("record");
    if (record != message.end() && record->is_number_unsigned()) {
        return {record->get<std::size_t>(), record->get<std::size_t>() + 1};
    }
    return {0, 0};
}

}  // namespace

LoadAnswer parse_load_answer(std::string_view result, std::size_t row_count) {
    const auto json = expressions::parse_outside_json(result);
    if (!json.is_object()) {
        return unexpected_load(result);
    }
    const auto ids = json.find("ids");
    if (ids != json.end() && ids->is_array()) {
        return ids->size() == row_count ? LoadAnswer(LoadWrote{.ids = *ids})
                                        : unexpected_load(result);
    }
    const auto messages = json.find("messages");
    if (messages == json.end() || !messages->is_array()) {
        return unexpected_load(result);
    }
    std::map<std::size_t, RefusedRow> refused;  // the first message of a row explains it best
    Fault whole{.cause = Cause::mapping, .error = "load refused the call without naming a row"};
    for (const auto& message : *messages) {
        if (!message.is_object() || text_of(message, "type") == "warning") {
            continue;
        }
        const auto field = text_of(message, "field");
        const auto fault = classify_row(field, text_of(message, "message"));
        const auto [begin, end] = rows_of(message);
        if (begin == end) {
            whole = fault;
        }
        for (auto row = begin; row < end && row < row_count; ++row) {
            refused.try_emplace(row, RefusedRow{.row = row, .fault = fault, .field = field});
        }
    }
    if (refused.empty()) {
        return whole;
    }
    std::vector<RefusedRow> rows;
    rows.reserve(refused.size());
    for (auto& [row, one] : refused) {
        rows.push_back(std::move(one));
    }
    return rows;
}

}  // namespace millrace::broker::odoo
