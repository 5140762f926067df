#include "client/cli/text/record_format.hpp"

#include <algorithm>

#include "client/cli/text/json_line.hpp"
#include "client/cli/text/suggest.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

std::vector<std::string> field_names(RecordFormat::Of source) {
    std::vector<std::string> names{"topic",
                                   "partition",
                                   "offset",
                                   "key",
                                   "value",
                                   "append_time",
                                   "event_time",
                                   "append_time_us",
                                   "event_time_us",
                                   "headers",
                                   "header"};
    if (source == RecordFormat::Of::queue) {
        names.emplace_back("attempt");
    }
    return names;
}

std::string header_text(const Record& record, const std::string& name) {
    const auto found = std::ranges::find(record.headers, name, &HeaderView::key);
    return found == record.headers.end() ? std::string() : std::string(found->value);
}

std::string all_headers(const Record& record) {
    std::string out;
    for (const auto& header : record.headers) {
        out.append(out.empty() ? "" : ",").append(header.key).append("=").append(header.value);
    }
    return out;
}

std::string hint_for(std::string_view word, const std::vector<std::string>& candidates) {
    const auto meant = nearest(word, candidates);
    return meant ? "; did you mean " + *meant + "?" : "";
}

std::size_t end_of_field(std::string_view text, std::size_t begin) {
    const auto end = text.find('}', begin);
    if (end == std::string_view::npos) {
        throw UsageError("--format: a { without its }; a brace itself is {{");
    }
    return end;
}

char unescape(char c) {
    return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

}  // namespace

RecordFormat RecordFormat::parse(std::string_view text, Of source) {
    RecordFormat out;
    out.source_ = source;
    if (text == "value" || text == "json") {
        out.kind_ = text == "json" ? Kind::json : Kind::value;
        return out;
    }
    if (text.find('{') == std::string_view::npos) {
        throw UsageError("--format: \"" + std::string(text) +
                         "\" is neither value nor json nor a template with {fields}" +
                         hint_for(text, {"value", "json"}));
    }
    out.kind_ = Kind::pieces;
    std::string literal;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
        if (text[i] == '\\' && i + 1 < text.size()) {
            literal += unescape(text[++i]);
        } else if ((text[i] == '{' || text[i] == '}') && doubled) {
            literal += text[++i];
        } else if (text[i] == '{') {
            const auto end = end_of_field(text, i);
            out.pieces_.push_back({std::exchange(literal, {}), ""});
            out.append_field(text.substr(i + 1, end - i - 1));
            i = end;
        } else {
            literal += text[i];
        }
    }
    out.pieces_.push_back({literal, ""});
    return out;
}

void RecordFormat::append_field(std::string_view field) {
    const auto dot = field.find('.');
    std::string name(field.substr(0, dot));
    std::string argument(dot == std::string_view::npos ? "" : field.substr(dot + 1));
    const auto names = field_names(source_);
    const bool takes_argument = name == "value" || name == "header";
    const bool is_complete = name != "header" || !argument.empty();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        throw UsageError("--format: there is no field {" + std::string(field) + "}" +
                         hint_for(name, names));
    }
    if ((dot != std::string_view::npos && !takes_argument) || !is_complete) {
        throw UsageError("--format: {" + std::string(field) +
                         "}: {header.NAME} and {value.PATH} take a name, others none");
    }
    pieces_.push_back({std::move(argument), std::move(name)});
}

std::string RecordFormat::render(const Piece& piece, const Record& record, std::uint32_t attempt) {
    if (piece.field.empty()) {
        return piece.text;
    }
    if (piece.field == "value") {
        return piece.text.empty() ? std::string(record.value)
                                  : find_field(record.value, piece.text).value_or("");
    }
    if (piece.field == "key") {
        return std::string(record.key.value_or(""));
    }
    if (piece.field == "header") {
        return header_text(record, piece.text);
    }
    if (piece.field == "headers") {
        return all_headers(record);
    }
    if (piece.field == "topic") {
        return std::string(record.topic);
    }
    if (piece.field == "partition") {
        return std::to_string(record.partition);
    }
    if (piece.field == "attempt") {
        return std::to_string(attempt);
    }
    if (piece.field == "offset") {
        return std::to_string(record.offset);
    }
    const bool is_append = piece.field.starts_with("append");
    const std::int64_t time = is_append ? record.append_time_us : record.event_time_us;
    return piece.field.ends_with("_us") ? std::to_string(time) : format_time(time);
}

std::string RecordFormat::format(const Record& record, std::uint32_t attempt) const {
    if (kind_ == Kind::json) {
        std::string line = format_json_line(record);
        if (source_ == Of::queue) {
            line.insert(line.size() - 1, ",\"attempt\":" + std::to_string(attempt));
        }
        return line;
    }
    if (kind_ == Kind::value) {
        return std::string(record.value);
    }
    std::string out;
    for (const Piece& piece : pieces_) {
        out += render(piece, record, attempt);
    }
    return out;
}

}  // namespace millrace::cli
