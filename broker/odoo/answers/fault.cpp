#include "broker/odoo/answers/fault.hpp"

#include <algorithm>
#include <array>

#include "broker/odoo/answers/json_text.hpp"
#include "broker/outbound/open_fault.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr unsigned first_redirect = 300;
constexpr unsigned bad_request = 400;
constexpr unsigned unauthorized = 401;
constexpr unsigned forbidden = 403;
constexpr unsigned not_found = 404;
constexpr unsigned request_timeout = 408;
constexpr unsigned too_many_requests = 429;
constexpr unsigned first_server_error = 500;
constexpr unsigned bad_gateway = 502;

struct FaultRule {
    std::string_view name;  ///< how the class ends
    Cause cause;
};
// docs/odoo.md has the same table for people.
constexpr std::array fault_rules{
    FaultRule{"AccessDenied", Cause::authorization},
    FaultRule{"AccessError", Cause::authorization},
    FaultRule{"SessionExpiredException", Cause::authorization},
    FaultRule{"SerializationFailure", Cause::transient},
    FaultRule{"DeadlockDetected", Cause::transient},
    FaultRule{"LockNotAvailable", Cause::transient},
    FaultRule{"LockError", Cause::transient},
    FaultRule{"ConcurrencyError", Cause::transient},
    FaultRule{"TransactionRollbackError", Cause::transient},
    FaultRule{"InFailedSqlTransaction", Cause::transient},
    FaultRule{"QueryCanceled", Cause::transient},
    FaultRule{"PoolError", Cause::transient},
    FaultRule{"UniqueViolation", Cause::mapping},
    FaultRule{"AdminShutdown", Cause::outage},
    FaultRule{"CrashShutdown", Cause::outage},
    FaultRule{"CannotConnectNow", Cause::outage},
    FaultRule{"OperationalError", Cause::outage},
    FaultRule{"InterfaceError", Cause::outage},
    FaultRule{"MissingError", Cause::mapping},
    FaultRule{"NotFound", Cause::mapping},  // of /json/2: the model or the method
    FaultRule{"UserError", Cause::mapping},
    FaultRule{"ValidationError", Cause::mapping},
    FaultRule{"ValueError", Cause::mapping},
    FaultRule{"TypeError", Cause::mapping},
    FaultRule{"AttributeError", Cause::mapping},
    FaultRule{"KeyError", Cause::mapping},
    FaultRule{"InvalidTextRepresentation", Cause::mapping},
    FaultRule{"NumericValueOutOfRange", Cause::mapping},
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool is_conflict(std::string_view text) {
    return contains(text, "could not serialize access") || contains(text, "deadlock detected") ||
           contains(text, "could not obtain lock");
}

/// "(Record: res.users(99,), User: 99)": who calls is not there; others may be an event's matter.
bool is_caller_missing(std::string_view message) {
    constexpr std::string_view record = "res.users(";
    const auto at = message.find(record);
    if (at == std::string_view::npos) {
        return false;
    }
    const auto rest = message.substr(at + record.size());
    const auto id = rest.substr(0, rest.find_first_not_of("0123456789"));
    return !id.empty() && contains(rest, "User: " + std::string(id) + ")");
}

const FaultRule* rule_of(std::string_view name) {
    return std::ranges::find_if(fault_rules,
                                [&](const FaultRule& one) { return name.ends_with(one.name); });
}

}  // namespace

bool is_known_class(std::string_view name) {
    return rule_of(name) != fault_rules.end();
}

Fault classify_error(std::string_view name, std::string_view message) {
    Fault fault{.cause = Cause::mapping,
                .error = readable_text(name, response_bytes_max) + ": " +
                         readable_text(message, response_bytes_max),
                .response = readable_text(message, response_bytes_max)};
    if (const auto* const rule = rule_of(name); rule != fault_rules.end()) {
        fault.cause = rule->cause;
    }
    if (fault.cause == Cause::outage && contains(message, "does not exist")) {
        fault.cause = Cause::configuration;  // the database, not the connection
    }
    if (name.ends_with("UniqueViolation") && contains(message, "ir_model_data")) {
        fault.cause = Cause::transient;  // the loser of a race for an external id
    }
    if (name.ends_with("MissingError") && is_caller_missing(message)) {
        fault.cause = Cause::authorization;
    }
    fault.is_access_refused = name.ends_with("AccessError");
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
    if (status == too_many_requests || status == request_timeout) {
        return fault;
    }
    if (status == unauthorized || status == forbidden) {
        fault.cause = Cause::authorization;
    } else if (status == not_found || (status >= first_redirect && status < bad_request)) {
        fault.cause = Cause::configuration;
        fault.error += ": is odoo_url the address of Odoo itself?";
    } else if (const auto hint = tls_hint(body); hint && status == bad_request) {
        fault.cause = Cause::configuration;  // a proxy speaks, and the call has not got further
        fault.error += ": " + std::string(*hint);
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
