#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/gateways/http/server/message.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// The parts of a request target, with %XX undone.
struct Target {
    std::vector<std::string> segments;  ///< of the path
    NamedTexts query;

    [[nodiscard]] std::optional<std::string_view> param(std::string_view name) const;
};

/// Errors: malformed for a target that does not begin with a slash, or a percent sign without two
/// hexadecimal digits.
[[nodiscard]] Result<Target> parse_target(std::string_view target);

/// A text with %XX undone. Errors: malformed.
[[nodiscard]] Result<std::string> undo_percent(std::string_view text);

}  // namespace millrace::broker::http
