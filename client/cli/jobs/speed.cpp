#include "client/cli/jobs/speed.hpp"

#include <charconv>
#include <string>

#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {

Speed require_speed(std::string_view text) {
    if (text.empty() || text == "max") {
        return {};
    }
    if (!text.ends_with('x')) {
        return {.records_per_second = require_rate(text, "--speed"), .time_scale = 0};
    }
    const auto number = text.substr(0, text.size() - 1);
    double scale = 0;
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), scale);
    if (code != std::errc{} || end != number.data() + number.size() || !(scale > 0)) {
        throw UsageError("--speed: \"" + std::string(text) +
                         "\" is not max, a rate such as 50/s, or a multiple such as 10x");
    }
    return {.records_per_second = 0, .time_scale = scale};
}

Header require_header(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        throw UsageError("--header: \"" + std::string(text) + "\" is not NAME=VALUE");
    }
    return {.key = std::string(text.substr(0, equals)),
            .value = std::string(text.substr(equals + 1))};
}

}  // namespace millrace::cli
