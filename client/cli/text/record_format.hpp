#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "millrace/types.hpp"

namespace millrace::cli {

/// How records are printed: `value`, `json`, or a template such as '{append_time} {key}: {value}'.
///
/// A template has {topic} {partition} {offset} {key} {value} {append_time} {event_time}
/// {append_time_us} {event_time_us} {headers}, {header.NAME} and {value.PATH} for a field of a JSON
/// value; \n, \t and \\ stand for line break, tab and backslash, {{ and }} for braces.
class RecordFormat {
  public:
    /// Throws UsageError.
    [[nodiscard]] static RecordFormat parse(std::string_view text);

    /// One line without its end.
    [[nodiscard]] std::string format(const Record& record) const;

  private:
    enum class Kind { value, json, pieces };
    struct Piece {
        std::string text;   ///< literal, or the argument of the field
        std::string field;  ///< empty: literal
    };

    void append_field(std::string_view field);
    [[nodiscard]] static std::string render(const Piece& piece, const Record& record);

    Kind kind_ = Kind::value;
    std::vector<Piece> pieces_;
};

}  // namespace millrace::cli
