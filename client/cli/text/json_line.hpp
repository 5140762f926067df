#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "millrace/types.hpp"

namespace millrace::cli {

/// One line of `publish --jsonl`.
struct TopicRecord {
    std::string topic;  ///< empty: the line names none
    OutgoingRecord record;
};

/// Reads `{"topic", "key", "headers", "event_time_us", "value"}`; also "partition", "key_base64",
/// "value_base64", and as "headers" an object or a list of {"key", "value"}. A text "value" is
/// taken as it is, anything else as JSON. What `format_json_line` adds (offset, append time) is
/// passed over. Throws UsageError.
[[nodiscard]] TopicRecord parse_json_line(std::string_view line);

/// A record as one line of JSON, which `parse_json_line` reads back. A value that is a JSON object
/// or list stands as such, every other one as text, or as "value_base64" where it is no UTF-8.
[[nodiscard]] std::string format_json_line(const Record& record);

/// The text at a path of a JSON document: "order.id", "lines.0.product" or the JSON pointer
/// "/order/id". Numbers and booleans as JSON writes them. None where there is no such field, it is
/// null, or the text is no JSON.
[[nodiscard]] std::optional<std::string> find_field(std::string_view json, std::string_view path);

}  // namespace millrace::cli
