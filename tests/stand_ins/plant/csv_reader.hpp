#pragma once

#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::plant {

struct CsvRow {
    std::size_t line = 0;  ///< where the row begins, from 1
    std::vector<std::string> fields;
};

/// Reads rows as in RFC 4180 with any separator: quoted fields may hold separators, line breaks and
/// doubled quotes. A byte order mark is skipped, rows end with LF or CRLF, empty lines are passed
/// over.
///
/// Debian's one C++ reader (libfccp-dev) fixes the columns when it is compiled and knows no line
/// breaks within quotes, so this is written here.
class CsvReader {
  public:
    CsvReader(std::istream& in, char separator) : in_(in), separator_(separator) {}

    /// The next row, or nothing at the end. Errors: malformed, io; the text begins with the line.
    [[nodiscard]] Result<std::optional<CsvRow>> read();

  private:
    [[nodiscard]] Result<void> read_quoted(std::string& field);
    [[nodiscard]] Result<void> read_piece(CsvRow& row);
    [[nodiscard]] Result<CsvRow> read_row();
    [[nodiscard]] int peek() { return in_.peek(); }
    int take();
    bool take_row_end();
    void skip_byte_order_mark();

    std::istream& in_;
    char separator_;
    std::size_t line_ = 1;
    bool is_begun_ = false;
};

}  // namespace millrace::plant
