#include "broker/delivery/letters/letter_document.hpp"

#include <nlohmann/json.hpp>

#include "broker/delivery/letters/letter_limits.hpp"
#include "client/expressions/outside_json.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto replace_bad_utf8 = Json::error_handler_t::replace;

/// What goes out next: the edited record where there is one.
std::span<const std::byte> current_record(const Letter& letter) {
    return letter.edited.empty() ? letter.record : letter.edited;
}

Json value_of(std::string_view text) {
    auto parsed = expressions::parse_outside_json<Json>(text);
    return parsed.is_discarded() ? Json(text) : parsed;
}

Error refuse(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', false, replace_bad_utf8);
}

/// A record that somebody has mended must fit where the one before it did.
Result<std::vector<std::byte>> format_mended(const Letter& letter, const wire::RecordView& record) {
    const auto bytes = wire::unpacked_record_bytes(record);
    if (bytes > letter_record_bytes_max) {
        return fail(Errc::record_too_large,
                    "letter " + std::to_string(letter.id) + ": mended, its record has " +
                        std::to_string(bytes) +
                        " bytes with its key counted twice; limit letter_record_bytes_max is " +
                        std::to_string(letter_record_bytes_max));
    }
    return wire::format_plain_record(record);
}

bool is_true(const std::vector<std::string>& outputs) {
    return !outputs.empty() && outputs.front() != "false" && outputs.front() != "null";
}

}  // namespace

std::string letter_document(const Letter& letter) {
    Json json{{"id", letter.id},
              {"subscription", letter.subscription},
              {"topic", letter.topic},
              {"partition", letter.partition_index},
              {"offset", letter.shown_offset().value},
              {"cause", name_of(letter.cause)},
              {"error", letter.error},
              {"response", letter.response},
              {"attempts", letter.attempts},
              {"first_failure_us", letter.first_failure_us},
              {"last_failure_us", letter.last_failure_us},
              {"append_time_us", letter.append_time_us},
              {"correlation_id", letter.correlation_id},
              {"key", letter.key},
              {"headers", Json::object()},
              {"value", nullptr}};
    if (const auto record = wire::parse_plain_record(current_record(letter))) {
        for (const auto& header : record.value().headers) {
            json["headers"][std::string(header.key)] = header.value;
        }
        json["value"] = value_of(record.value().value);
        json["event_time_us"] = record.value().event_time_us;
    }
    return json.dump(-1, ' ', false, replace_bad_utf8);
}

Result<LetterFilter> LetterFilter::make(const LetterQuery& query) {
    LetterFilter filter(query);
    if (!query.where.empty()) {
        auto program = expressions::JqProgram::compile(query.where);
        if (!program) {
            return refuse("where: " + program.error().text);
        }
        filter.where_ = std::move(program).value();
    }
    return filter;
}

bool LetterFilter::wants(const Letter& letter) const {
    if ((!query_.key.empty() && letter.key != query_.key) ||
        letter.last_failure_us < query_.since_us ||
        (query_.before_us != 0 && letter.last_failure_us >= query_.before_us) ||
        letter.error.find(query_.error_contains) == std::string::npos ||
        (!query_.correlation_id.empty() && letter.correlation_id != query_.correlation_id)) {
        return false;
    }
    if (!where_) {
        return true;
    }
    const auto outputs = where_->run(letter_document(letter));
    return outputs && is_true(outputs.value());
}

Result<std::vector<std::byte>> replace_value(const Letter& letter, std::string_view value) {
    MILLRACE_TRY(auto record, wire::parse_plain_record(letter.record));
    record.value = value;
    return format_mended(letter, record);
}

Result<std::vector<std::byte>> transform_record(const expressions::JqProgram& program,
                                                const Letter& letter) {
    const auto name = "letter " + std::to_string(letter.id) + ": ";
    const auto document = letter_document(letter);
    const auto outputs = program.run(document);
    if (!outputs) {
        return refuse(name + outputs.error().text);
    }
    if (outputs.value().size() != 1) {
        return refuse(name + "the transform gives " + std::to_string(outputs.value().size()) +
                      " results instead of one");
    }
    const auto made = expressions::parse_outside_json<Json>(outputs.value().front());
    if (!made.is_object() || !made.contains("value")) {
        return refuse(name + "the transform must give the letter back, changed; it gives " +
                      outputs.value().front().substr(0, 100));
    }
    if (made.value("key", Json()) != Json::parse(document).at("key")) {
        return refuse(name + "the transform changes the key, on which the order rests");
    }
    MILLRACE_TRY(auto record, wire::parse_plain_record(current_record(letter)));
    const auto value = text_of(made.at("value"));
    record.value = value;
    const auto made_headers = made.value("headers", Json::object());
    if (!made_headers.is_object()) {
        return refuse(name + "the transform makes the headers something else than an object");
    }
    std::vector<std::pair<std::string, std::string>> headers;
    for (const auto& [key, text] : made_headers.items()) {
        headers.emplace_back(key, text_of(text));
    }
    record.headers.clear();
    for (const auto& [key, text] : headers) {
        record.headers.push_back({.key = key, .value = text});
    }
    return format_mended(letter, record);
}

}  // namespace millrace::broker::delivery
