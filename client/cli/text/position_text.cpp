#include "client/cli/text/position_text.hpp"

#include <optional>
#include <string>

#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

std::optional<TimeWindow> parse_sides(std::string_view from,
                                      std::string_view to,
                                      std::int64_t now_us) {
    if (from.empty() && to.empty()) {
        return std::nullopt;
    }
    const auto from_us = from.empty() ? std::optional<std::int64_t>{0} : parse_time(from, now_us);
    const auto to_us = to.empty() ? std::optional<std::int64_t>{INT64_MAX} : parse_time(to, now_us);
    if (!from_us || !to_us) {
        return std::nullopt;
    }
    return TimeWindow{.from_us = *from_us, .to_us = *to_us};
}

/// Times have colons too: the one that divides is the one with a time on both sides.
std::optional<TimeWindow> parse_window(std::string_view text,
                                       std::int64_t now_us,
                                       std::string_view what) {
    if (const auto dots = text.find(".."); dots != std::string_view::npos) {
        return parse_sides(text.substr(0, dots), text.substr(dots + 2), now_us);
    }
    std::optional<TimeWindow> found;
    for (auto colon = text.find(':'); colon != std::string_view::npos;
         colon = text.find(':', colon + 1)) {
        const auto window = parse_sides(text.substr(0, colon), text.substr(colon + 1), now_us);
        if (window && found) {
            throw UsageError(std::string(what) + ": \"" + std::string(text) +
                             "\" can be read in two ways; write @FROM..TO");
        }
        found = window ? window : found;
    }
    return found;
}

ReadPosition parse_moment(std::string_view text, std::int64_t now_us, std::string_view what) {
    if (const auto time = parse_time(text, now_us)) {
        return FromTime{*time};
    }
    const auto window = parse_window(text, now_us, what);
    if (!window) {
        return FromTime{require_time(text, now_us, what)};
    }
    if (window->from_us >= window->to_us) {
        throw UsageError(std::string(what) + ": the window ends " + format_time(window->to_us) +
                         ", before or where it begins, " + format_time(window->from_us));
    }
    return *window;
}

}  // namespace

ReadPosition parse_position(std::string_view text, std::int64_t now_us, std::string_view what) {
    if (text == "beginning" || text == "earliest") {
        return FromBeginning{};
    }
    if (text == "end" || text == "latest") {
        return FromEnd{};
    }
    if (text.starts_with('@')) {
        return parse_moment(text.substr(1), now_us, what);
    }
    if (const auto offset = parse_count(text)) {
        return FromOffset{*offset};
    }
    throw UsageError(std::string(what) + ": \"" + std::string(text) +
                     "\" is no position; write beginning, end, an offset, @TIME or @TIME:TIME");
}

}  // namespace millrace::cli
