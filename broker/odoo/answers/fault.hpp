#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::odoo {

using delivery::Cause;

/// What a fault keeps of an answer of Odoo.
inline constexpr std::size_t response_bytes_max = 2048;
inline constexpr unsigned http_ok = 200;
/// How Odoo says that it has no record of an external id.
inline constexpr std::string_view unknown_external_id = "External ID not found";

/// Why a call or a row had no effect, or may have had one.
struct Fault {
    Cause cause = Cause::transient;
    /// Instead of `outcome_unknown` for a call that only reads: nothing can have been done.
    Cause cause_of_read = Cause::outage;
    std::string error;               ///< one sentence for the dead letter
    std::string response;            ///< what Odoo said, cut; without the traceback
    bool may_pass_later = false;     ///< a business rule: worth a few delayed tries
    bool is_access_refused = false;  ///< the user may not do it: all events of the rule
    bool is_record_missing = false;  ///< of a record that was there once
};

/// An application error of Odoo: `name` is `error.data.name`, `message` is `error.data.message`.
[[nodiscard]] Fault classify_error(std::string_view name, std::string_view message);
/// Whether the class alone says the cause.
[[nodiscard]] bool is_known_class(std::string_view name);
/// An answer with a status other than 200.
[[nodiscard]] Fault classify_status(unsigned status, std::string_view body);
/// A message of `load` about one row; it carries no class.
[[nodiscard]] Fault classify_row(std::string_view field, std::string_view message);

}  // namespace millrace::broker::odoo
