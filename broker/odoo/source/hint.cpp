#include "broker/odoo/source/hint.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace millrace::broker::odoo {
namespace {

constexpr std::string_view shape = "0000-00-00 00:00:00";
constexpr const char* moment_format = "%Y-%m-%d %H:%M:%S";
constexpr const char* sweep_action = "millrace sweep";

std::string text_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<Hint> parse_hint(std::string_view text) {
    auto body = Json::parse(text, nullptr, false);
    if (!body.is_object()) {
        return fail(Errc::malformed, "a hint is a JSON object with _model and _id");
    }
    Hint hint;
    hint.model = text_at(body, "_model");
    const auto id = body.find("_id");
    if (hint.model.empty() || id == body.end() || !id->is_number_integer() ||
        id->get<std::int64_t>() <= 0) {
        return fail(Errc::malformed, "a hint has _model, a text, and _id, a positive number");
    }
    hint.id = id->get<std::int64_t>();
    hint.write_date = whole_seconds(text_at(body, "write_date"));
    hint.is_swept = text_at(body, "_action") == sweep_action;
    hint.body = std::move(body);
    return hint;
}

SweptHint swept_hint(const Hint& seen, const std::string& sweep) {
    const Json body{{"_action", sweep_action},
                    {"_model", seen.model},
                    {"_id", seen.id},
                    {"write_date", seen.write_date}};
    return {.text = body.dump(),
            .event_id =
                "sweep," + reference_of(seen.model, seen.id) + "," + seen.write_date + "," + sweep};
}

std::string whole_seconds(std::string_view moment) {
    std::string text(moment.substr(0, shape.size()));
    if (text.size() > 10 && text[10] == 'T') {
        text[10] = ' ';
    }
    const bool fits =
        text.size() == shape.size() && std::ranges::equal(text, shape, [](char c, char wanted) {
            return wanted == '0' ? c >= '0' && c <= '9' : c == wanted;
        });
    return fits ? text : std::string();
}

std::string earlier(const std::string& moment, std::int64_t seconds) {
    std::tm parts{};
    (void)::strptime(moment.c_str(), moment_format, &parts);
    const auto time = static_cast<std::time_t>(::timegm(&parts) - seconds);
    ::gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    const auto length = std::strftime(text.data(), text.size(), moment_format, &parts);
    return {text.data(), length};
}

std::string reference_of(const std::string& model, std::int64_t id) {
    return model + "," + std::to_string(id);
}

}  // namespace millrace::broker::odoo
