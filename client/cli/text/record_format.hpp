#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/types.hpp"

namespace millrace::cli {

/// How records are printed: `value`, `json`, or a template such as '{append_time} {key}: {value}'.
///
/// A template has {topic} {partition} {offset} {key} {value} {append_time} {event_time}
/// {append_time_us} {event_time_us} {headers}, {header.NAME} and {value.PATH} for a field of a JSON
/// value; \n, \t and \\ stand for line break, tab and backslash, {{ and }} for braces. Deliveries
/// of a queue have {attempt}, too, and "attempt" in `json`.
class RecordFormat {
  public:
    enum class Of { log, queue };
    /// Throws UsageError.
    [[nodiscard]] static RecordFormat parse(std::string_view text, Of source = Of::log);

    /// One line without its end; `attempt` of what a queue delivers.
    [[nodiscard]] std::string format(const Record& record, std::uint32_t attempt = 0) const;

  private:
    enum class Kind { value, json, pieces };
    struct Piece {
        std::string text;   ///< literal, or the argument of the field
        std::string field;  ///< empty: literal
    };

    void append_field(std::string_view field);
    [[nodiscard]] static std::string render(const Piece& piece,
                                            const Record& record,
                                            std::uint32_t attempt);

    Kind kind_ = Kind::value;
    Of source_ = Of::log;
    std::vector<Piece> pieces_;
};

}  // namespace millrace::cli
