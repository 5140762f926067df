#include "client/expressions/record_document.hpp"

#include <nlohmann/json.hpp>

#include "client/expressions/outside_json.hpp"

namespace millrace::expressions {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto replace_bad_utf8 = Json::error_handler_t::replace;

std::string quoted(std::string_view text) {
    return Json(text).dump(-1, ' ', false, replace_bad_utf8);
}

}  // namespace

std::string record_document(const RecordFacts& facts) {
    std::string text = "{\"topic\":" + quoted(facts.topic) +
                       ",\"partition\":" + std::to_string(facts.partition_index) +
                       ",\"offset\":" + std::to_string(facts.offset) +
                       ",\"append_time_us\":" + std::to_string(facts.append_time_us) +
                       ",\"event_time_us\":" + std::to_string(facts.event_time_us) +
                       ",\"key\":" + quoted(facts.key) + ",\"headers\":{";
    const char* separator = "";
    for (const auto& [name, value] : facts.headers) {
        text += separator + quoted(name) + ":" + quoted(value);
        separator = ",";
    }
    // The value goes in as it came when it is JSON: jq parses it anyway.
    text += "},\"value\":";
    text += is_outside_json(facts.value) ? std::string(facts.value) : quoted(facts.value);
    return text + "}";
}

Result<bool> is_wanted(const JqProgram& program, const RecordFacts& facts) {
    MILLRACE_TRY(const auto outputs, program.run(record_document(facts)));
    return !outputs.empty() && outputs.front() != "false" && outputs.front() != "null";
}

}  // namespace millrace::expressions
