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
    }
    return "unknown";
}

}  // namespace millrace::broker::delivery
