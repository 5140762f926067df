#include "tests/stand_ins/odoo_sim/business/latency.hpp"

namespace millrace::stand_ins {
namespace {

/// A call costs something by itself and something a record, fitted to the measured table.
struct Cost {
    double call_ms;
    double record_ms;
};
constexpr Cost load_cost{98, 2.4};
constexpr Cost create_cost{38, 2.2};
constexpr Cost downtime_cost{23, 1.7};
constexpr Cost business_cost{99, 32};  ///< confirm, finish: with a create they are a whole order
constexpr Cost read_cost{20, 0.05};

std::size_t records_of(const MethodCall& call) {
    const auto data = call.argument(call.method == "load" ? 1 : 0, "data");
    return data.is_array() ? data.size() : 1;
}

Cost cost_of(const MethodCall& call) {
    if (call.method == "load") {
        return load_cost;
    }
    if (call.method == "create" || call.method == "write") {
        return call.model == "mrp.workcenter.productivity" ? downtime_cost : create_cost;
    }
    const bool is_business =
        call.method.starts_with("button_") || call.method.starts_with("action_");
    return is_business ? business_cost : read_cost;
}

}  // namespace

std::chrono::milliseconds measured_latency(const MethodCall& call) {
    const auto cost = cost_of(call);
    return std::chrono::milliseconds(static_cast<std::int64_t>(
        cost.call_ms + cost.record_ms * static_cast<double>(records_of(call))));
}

}  // namespace millrace::stand_ins
