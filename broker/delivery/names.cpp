#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

std::string_view name_of(Cause cause) noexcept {
    switch (cause) {
        case Cause::none:
            return "none";
        case Cause::transient:
            return "transient";
        case Cause::outage:
            return "outage";
        case Cause::authorization:
            return "authorization";
        case Cause::mapping:
            return "mapping";
        case Cause::outcome_unknown:
            return "outcome_unknown";
        case Cause::configuration:
            return "configuration";
        case Cause::poison:
            return "poison";
        case Cause::expired:
            return "expired";
    }
    return "unknown";
}

std::string_view name_of(Circuit state) noexcept {
    switch (state) {
        case Circuit::closed:
            return "closed";
        case Circuit::open:
            return "open";
        case Circuit::half_open:
            return "half-open";
    }
    return "unknown";
}

}  // namespace millrace::broker::delivery
