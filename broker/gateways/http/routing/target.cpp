#include "broker/gateways/http/routing/target.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::broker::http {
namespace {

enum class Plus : std::uint8_t { stays, is_space };

Result<std::string> undo_percent(std::string_view text, Plus plus) {
    std::string made;
    made.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            made += text[i] == '+' && plus == Plus::is_space ? ' ' : text[i];
            continue;
        }
        const auto digits = text.substr(i + 1, 2);
        unsigned byte = 0;
        const auto [end, code] =
            std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || code != std::errc{} || end != digits.data() + digits.size()) {
            return fail(
                Errc::malformed,
                "a percent sign without two hexadecimal digits in \"" + std::string(text) + "\"");
        }
        made += static_cast<char>(byte);
        i += digits.size();
    }
    return made;
}

/// Calls `take` with each part between separators that is not empty.
template <class Take>
Result<void> each_part(std::string_view text, char separator, Take take) {
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(separator));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        if (!part.empty()) {
            MILLRACE_TRY(take(part));
        }
    }
    return ok();
}

}  // namespace

Result<std::string> undo_percent(std::string_view text) {
    return undo_percent(text, Plus::stays);
}

std::optional<std::string_view> Target::param(std::string_view name) const {
    const auto found = std::ranges::find(
        query, name, [](const auto& one) -> std::string_view { return one.first; });
    return found == query.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

Result<Target> parse_target(std::string_view target) {
    if (!target.starts_with('/')) {
        return fail(Errc::malformed, "the target of a request begins with a slash");
    }
    target = target.substr(0, target.find('#'));
    const auto path = target.substr(0, target.find('?'));
    Target parsed;
    MILLRACE_TRY(each_part(path, '/', [&](std::string_view part) -> Result<void> {
        MILLRACE_TRY(auto segment, undo_percent(part, Plus::stays));
        parsed.segments.push_back(std::move(segment));
        return ok();
    }));
    if (path.size() == target.size()) {
        return parsed;
    }
    MILLRACE_TRY(
        each_part(target.substr(path.size() + 1), '&', [&](std::string_view part) -> Result<void> {
            const auto name = part.substr(0, part.find('='));
            const auto value = part.substr(std::min(name.size() + 1, part.size()));
            MILLRACE_TRY(auto plain_name, undo_percent(name, Plus::is_space));
            MILLRACE_TRY(auto plain_value, undo_percent(value, Plus::is_space));
            parsed.query.emplace_back(std::move(plain_name), std::move(plain_value));
            return ok();
        }));
    return parsed;
}

}  // namespace millrace::broker::http
