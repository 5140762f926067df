#include "broker/odoo/answers/fault.hpp"

#include <algorithm>
#include <array>

#include "broker/odoo/answers/json_text.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr unsigned first_redirect = 300;
constexpr unsigned bad_request = 400;
constexpr unsigned not_found = 404;
constexpr unsigned too_many_requests = 429;
constexpr unsigned first_server_error = 500;
constexpr unsigned bad_gateway = 502;

struct Rule {
    std::string_view name;  ///< how the class ends
    Cause cause;
};
// docs/odoo.md has the same table for people.
constexpr std::array rules{
    Rule{"AccessDenied", Cause::authorization},
    Rule{"AccessError", Cause::authorization},
    Rule{"SessionExpiredException", Cause::authorization},
    Rule{"SerializationFailure", Cause::transient},
    Rule{"DeadlockDetected", Cause::transient},
    Rule{"LockNotAvailable", Cause::transient},
    Rule{"LockError", Cause::transient},
    Rule{"ConcurrencyError", Cause::transient},
    Rule{"UniqueViolation", Cause::transient},
    Rule{"OperationalError", Cause::outage},
    Rule{"InterfaceError", Cause::outage},
    Rule{"MissingError", Cause::mapping},
    Rule{"UserError", Cause::mapping},
    Rule{"ValidationError", Cause::mapping},
    Rule{"ValueError", Cause::mapping},
    Rule{"TypeError", Cause::mapping},
    Rule{"AttributeError", Cause::mapping},
    Rule{"KeyError", Cause::mapping},
    Rule{"InvalidTextRepresentation", Cause::mapping},
    Rule{"NumericValueOutOfRange", Cause::mapping},
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool is_conflict(std::string_view text) {
    return contains(text, "could not serialize access") || contains(text, "deadlock detected") ||
           contains(text, "could not obtain lock");
}

}  // namespace

Fault classify_error(std::string_view name, std::string_view message) {
    Fault fault{.cause = Cause::mapping,
                .error = readable_text(name, response_bytes_max) + ": " +
                         readable_text(message, response_bytes_max),
                .response = readable_text(message, response_bytes_max)};
    const auto* const rule =
        std::ranges::find_if(rules, [&](const Rule& one) { return name.ends_with(one.name); });
    if (rule != rules.end()) {
        fault.cause = rule->cause;
    }
    if (fault.cause == Cause::outage && contains(message, "does not exist")) {
        fault.cause = Cause::configuration;  // the database, not the connection
    }
    if (name.ends_with("MissingError") && contains(message, "res.users")) {
        fault.cause = Cause::authorization;
    }
    fault.is_record_missing = fault.cause == Cause::mapping && name.ends_with("MissingError");
    if (is_conflict(message)) {
        fault.cause = Cause::transient;
    }
    // "Object x doesn't exist" is the mapping's; every other one is a rule that time may satisfy.
    fault.may_pass_later = name.ends_with("UserError") && !contains(message, "doesn't exist");
    return fault;
}

Fault classify_status(unsigned status, std::string_view body) {
    Fault fault{.cause = Cause::transient,
                .error = "Odoo answered with HTTP status " + std::to_string(status),
                .response = readable_text(body, response_bytes_max)};
    if (status == too_many_requests) {
        return fault;
    }
    if (status == not_found || (status >= first_redirect && status < bad_request)) {
        fault.cause = Cause::configuration;
        fault.error += ": is odoo_url the address of Odoo itself?";
    } else if (status >= bad_request && status < first_server_error) {
        fault.cause = Cause::mapping;
    } else if (status >= bad_gateway) {
        fault.cause = Cause::outage;  // a proxy speaks, Odoo behind it does not
    }
    return fault;
}

Fault classify_row(std::string_view field, std::string_view message) {
    return {
        .cause = is_conflict(message) ? Cause::transient : Cause::mapping,
        .error = (field.empty() ? std::string() : readable_text(field, response_bytes_max) + ": ") +
                 readable_text(message, response_bytes_max),
        .response = readable_text(message, response_bytes_max)};
}

}  // namespace millrace::broker::odoo
