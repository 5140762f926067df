#include "tests/stand_ins/plant/csv_reader.hpp"

namespace millrace::plant {
namespace {

constexpr int end_of_file = std::char_traits<char>::eof();
constexpr std::size_t field_bytes_max = 1U << 20U;

Error at_line(std::size_t line, const std::string& text) {
    return fail(Errc::malformed, std::to_string(line) + ": " + text);
}

}  // namespace

int CsvReader::take() {
    const int next = in_.get();
    if (next == '\n') {
        ++line_;
    }
    return next;
}

bool CsvReader::take_row_end() {
    if (peek() == '\r') {
        take();
        if (peek() == '\n') {
            take();
        }
        return true;
    }
    if (peek() == '\n') {
        take();
        return true;
    }
    return peek() == end_of_file;
}

void CsvReader::skip_byte_order_mark() {
    constexpr int first_byte = 0xEF;
    if (peek() != first_byte) {
        return;
    }
    std::string mark(3, '\0');
    in_.read(mark.data(), 3);
    if (mark != "\xEF\xBB\xBF") {  // an ordinary letter that begins with the same byte
        in_.clear();
        in_.seekg(0);
    }
}

Result<void> CsvReader::read_quoted(std::string& field) {
    const std::size_t begin = line_;
    take();
    while (field.size() <= field_bytes_max) {
        const int next = take();
        if (next == end_of_file) {
            return at_line(begin, "a quoted field has no end");
        }
        if (next == '"' && peek() != '"') {
            return ok();
        }
        if (next == '"') {
            take();
        }
        field.push_back(static_cast<char>(next));
    }
    return at_line(begin, "a field is longer than 1 MiB");
}

Result<void> CsvReader::read_piece(CsvRow& row) {
    std::string& field = row.fields.back();
    if (peek() == separator_) {
        take();
        row.fields.emplace_back();
    } else if (peek() == '"' && field.empty()) {
        MILLRACE_TRY(read_quoted(field));
        const int next = peek();
        if (next != separator_ && next != '\r' && next != '\n' && next != end_of_file) {
            return at_line(line_, "text behind the end of a quoted field");
        }
    } else if (peek() == '"') {
        return at_line(line_, "a quote within a field that is not quoted");
    } else if (field.size() > field_bytes_max) {
        return at_line(line_, "a field is longer than 1 MiB");
    } else {
        field.push_back(static_cast<char>(take()));
    }
    return ok();
}

Result<CsvRow> CsvReader::read_row() {
    CsvRow row{.line = line_, .fields = {std::string()}};
    while (!take_row_end()) {
        MILLRACE_TRY(read_piece(row));
    }
    return row;
}

Result<std::optional<CsvRow>> CsvReader::read() {
    if (!is_begun_) {
        is_begun_ = true;
        skip_byte_order_mark();
    }
    while (peek() != end_of_file) {
        MILLRACE_TRY(CsvRow row, read_row());
        if (row.fields.size() > 1 || !row.fields.front().empty()) {
            return std::optional(std::move(row));
        }
    }
    if (in_.bad()) {
        return fail(Errc::io, std::to_string(line_) + ": reading failed");
    }
    return std::optional<CsvRow>();
}

}  // namespace millrace::plant
