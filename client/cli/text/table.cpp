#include "client/cli/text/table.hpp"

#include <algorithm>
#include <ostream>

namespace millrace::cli {
namespace {

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

bool is_control(unsigned char byte) {
    return byte < 0x20 || byte == 0x7F;
}

/// U+0080 to U+009F; a terminal takes U+009B for ESC [.
bool is_control(unsigned char first, unsigned char second) {
    return first == 0xC2 && second >= 0x80 && second <= 0x9F;
}

}  // namespace

std::string without_controls(std::string text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (is_control(byte)) {
            text[at] = ' ';
        } else if (at + 1 < text.size() &&
                   is_control(byte, static_cast<unsigned char>(text[at + 1]))) {
            text.replace(at, 2, " ");
        }
    }
    return text;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string shorten(std::string_view text, std::size_t width_max) {
    constexpr std::string_view dots = "...";
    if (width_of(text) <= width_max || width_max <= dots.size()) {
        return std::string(text);
    }
    std::size_t characters = 0;
    std::size_t end = 0;
    while (end < text.size()) {
        characters += is_continuation(text[end]) ? 0U : 1U;
        if (characters > width_max - dots.size()) {
            break;
        }
        ++end;
    }
    return std::string(text.substr(0, end)) + std::string(dots);
}

void Table::append(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        cells[i] = without_controls(std::move(cells[i]));
        if (columns_[i].width_max != 0) {
            cells[i] = shorten(cells[i], columns_[i].width_max);
        }
    }
    rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
    std::vector<std::size_t> widths;
    std::vector<std::string> titles;
    for (const Column& column : columns_) {
        titles.push_back(column.title);
        widths.push_back(width_of(column.title));
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    const auto print_row = [&](const std::vector<std::string>& row) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - width_of(row[i]), ' ');
            line += i == 0 ? "" : "  ";
            line += columns_[i].align == Align::right ? padding + row[i] : row[i] + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    };
    print_row(titles);
    for (const auto& row : rows_) {
        print_row(row);
    }
}

void Facts::append(std::string name, std::string value) {
    facts_.emplace_back(std::move(name), without_controls(std::move(value)));
}

void Facts::print(std::ostream& out) const {
    std::size_t width = 0;
    for (const auto& [name, value] : facts_) {
        width = std::max(width, width_of(name));
    }
    for (const auto& [name, value] : facts_) {
        out << name << ':' << std::string(width - width_of(name) + 2, ' ') << value << '\n';
    }
}

}  // namespace millrace::cli
