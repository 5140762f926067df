#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "broker/gateways/http/server/message.hpp"
#include "client/wire/record.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// A record that somebody wants to publish.
struct IncomingRecord {
    std::optional<std::string> key;
    std::string value;
    NamedTexts headers;
    UnixMicros event_time_us = 0;  ///< 0: now
    std::optional<std::uint32_t> partition;

    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
    /// As record batches take it; good while this is there and is not changed.
    [[nodiscard]] wire::RecordView view() const;
};

/// Reads `{"key", "value", "headers", "event_time", "partition"}`; also "key_base64",
/// "value_base64", "event_time_us", and as "headers" an object or a list of {"key", "value"}. A
/// text value is taken as it is, anything else as JSON. What a record that was read has besides is
/// passed over. Errors: invalid_argument.
[[nodiscard]] Result<IncomingRecord> record_from_json(const nlohmann::ordered_json& json);

/// Where a record lies.
struct RecordPlace {
    std::string_view topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
};
/// A record as one line of JSON, which `record_from_json` reads back.
[[nodiscard]] std::string record_to_json(const wire::RecordView& record, const RecordPlace& place);

/// The text of a JSON value: a text as it is, anything else as JSON.
[[nodiscard]] std::string text_of(const nlohmann::ordered_json& value);

}  // namespace millrace::broker::http
