#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broker/odoo/mapping/expression.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

/// That a record may have changed; not what it is.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Hint {
    std::string model;
    std::int64_t id = 0;
    std::string write_date;  ///< as the transaction saw it; empty: the hint does not say
    bool is_swept = false;   ///< found by the sweep
    Json body;
};

/// What Odoo's webhook posted, or the sweep wrote: `_model` and `_id`.
/// Errors: malformed, for what is neither.
[[nodiscard]] Result<Hint> parse_hint(std::string_view text);

/// A hint of the sweep.
struct SweptHint {
    std::string text;
    std::string event_id;  ///< the same for the same change, as one sweep has seen it
};
/// A record as a sweep has seen it; `sweep` names that sweep.
[[nodiscard]] SweptHint swept_hint(const Hint& seen, const std::string& sweep);

/// A moment as RPC tells it, "2026-11-25 10:00:00", from that or with a T or fractions.
/// Empty for anything else.
[[nodiscard]] std::string whole_seconds(std::string_view moment);
/// So many seconds earlier. **Requires** a text of `whole_seconds`.
[[nodiscard]] std::string earlier(const std::string& moment, std::int64_t seconds);

/// "sale.order,42": how Odoo refers to a record.
[[nodiscard]] std::string reference_of(const std::string& model, std::int64_t id);

}  // namespace millrace::broker::odoo
