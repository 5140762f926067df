#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/text/json_line.hpp"

namespace millrace::cli {

/// How a line becomes a record.
struct LineRules {
    std::string topic;  ///< where a line names none
    bool is_jsonl = false;
    std::string key;             ///< the same for all
    std::string key_field;       ///< a field of the value; see find_field
    std::string key_separator;   ///< "KEY<separator>VALUE"
    std::string event_id_field;  ///< a field of the value, as the header event-id
    std::vector<Header> headers;
    std::optional<std::uint32_t> partition;
};

/// Throws UsageError. A line end "\r\n" is taken off.
[[nodiscard]] TopicRecord parse_line(std::string line, const LineRules& rules);
/// "NAME=VALUE". Throws UsageError.
[[nodiscard]] Header parse_header_option(const std::string& text);

/// Lines of a file or of stdin ("-"). A stop that was asked for (stop_signal) ends them, also while
/// nothing comes.
class LineSource {
  public:
    /// Throws UsageError when the file can't be read.
    explicit LineSource(const std::string& file);
    LineSource(const LineSource&) = delete;
    LineSource& operator=(const LineSource&) = delete;
    LineSource(LineSource&&) = delete;
    LineSource& operator=(LineSource&&) = delete;
    ~LineSource();

    /// False at the end. The last line needs no line end.
    [[nodiscard]] bool read(std::string& line);
    [[nodiscard]] std::uint64_t line_number() const { return number_; }
    /// How much has been read, 0 to 1; below 0 where the end is not known.
    [[nodiscard]] double share() const;

  private:
    [[nodiscard]] bool fill();

    int descriptor_;
    std::string buffer_;
    std::size_t begin_ = 0;
    bool is_at_end_ = false;
    std::uint64_t number_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace millrace::cli
