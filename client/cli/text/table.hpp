#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

enum class Align { left, right };
struct Column {
    std::string title;
    Align align = Align::left;
    std::size_t width_max = 0;  ///< 0: as wide as its widest cell; longer cells end in "..."
};

/// Columns of text with two spaces between, titles in capitals, no trailing space.
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// Missing cells are empty, more than there are columns are dropped. Line breaks and other
    /// control characters become spaces.
    void append(std::vector<std::string> cells);
    [[nodiscard]] std::size_t row_count() const { return rows_.size(); }
    void print(std::ostream& out) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// "name:   value" lines, values in one column.
class Facts {
  public:
    void append(std::string name, std::string value);
    void print(std::ostream& out) const;

  private:
    std::vector<std::pair<std::string, std::string>> facts_;
};

/// One line that a terminal shows as it is: control characters, also those that UTF-8 writes in two
/// bytes, become spaces.
[[nodiscard]] std::string without_controls(std::string text);
/// How many characters UTF-8 text has.
[[nodiscard]] std::size_t width_of(std::string_view text);
/// At most `width_max` characters, with "..." at the end where something was left out.
[[nodiscard]] std::string shorten(std::string_view text, std::size_t width_max);

}  // namespace millrace::cli
