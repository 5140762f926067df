#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/expressions/jq_program.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"

namespace millrace::expressions {

/// What a program sees of a record. The views point into whatever the caller has.
struct RecordFacts {
    std::string_view topic;
    std::uint32_t partition_index = 0;
    std::uint64_t offset = 0;
    UnixMicros append_time_us = 0;
    UnixMicros event_time_us = 0;
    std::string_view key;  ///< empty: none
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::string_view value;
};

/// One JSON object with the names of `RecordFacts`, `partition` for the index; a value that is no
/// JSON is a string. docs/delivery.md shows one.
[[nodiscard]] std::string record_document(const RecordFacts& facts);

/// True when the first thing the program gives is neither false nor null; also false when it gives
/// nothing. Errors: those of a program that fails on the record.
[[nodiscard]] Result<bool> is_wanted(const JqProgram& program, const RecordFacts& facts);

}  // namespace millrace::expressions
