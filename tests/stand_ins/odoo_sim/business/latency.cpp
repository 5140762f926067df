#include "tests/stand_ins/odoo_sim/business/latency.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace millrace::stand_ins {
namespace {

/// A call costs something by itself and something a record.
struct Cost {
    double call_ms;
    double record_ms;
};
constexpr Cost business_cost{99, 32};  ///< confirm, finish: with a create they are a whole order
constexpr Cost write_cost{23, 2};      ///< one record: 25 ms
constexpr Cost read_cost{20, 0.05};
/// The ledger's, where the steps of events take the place of records: 10 to 21 events/s.
constexpr double ledger_call_ms = 15;
constexpr double ledger_business_ms = 46;
constexpr double ledger_record_ms = 2;  ///< a record that is created or written, and its marker

constexpr std::array<double, 4> measured_rows{1, 10, 100, 1'000};
constexpr double ms_per_second = 1'000;

/// Records a second of one connection, by the rows of a call.
struct Speed {
    std::array<double, measured_rows.size()> per_second;

    /// Between what was measured a straight line; beyond, its last piece goes on.
    [[nodiscard]] double call_ms(double rows) const {
        std::size_t upper = 1;
        while (upper + 1 < measured_rows.size() && rows > measured_rows.at(upper)) {
            ++upper;
        }
        const auto begin = measured_ms(upper - 1);
        const auto part = (rows - measured_rows.at(upper - 1)) /
                          (measured_rows.at(upper) - measured_rows.at(upper - 1));
        return begin + part * (measured_ms(upper) - begin);
    }

  private:
    [[nodiscard]] double measured_ms(std::size_t at) const {
        return ms_per_second * measured_rows.at(at) / per_second.at(at);
    }
};
constexpr Speed load_speed{{9, 94, 294, 571}};
constexpr Speed create_speed{{25, 166, 392, 513}};
constexpr Speed downtime_speed{{40, 224, 522, 609}};

/// Records a second by a hundred a call on 1, 2 and 4 connections, of two workers together.
struct Sharing {
    double alone;
    double of_two;
    double of_four;

    /// How long a call takes while there are others, for one second of it alone.
    [[nodiscard]] double factor(std::size_t callers) const {
        constexpr double workers = 2;
        const auto for_two = workers * alone / of_two;
        const auto for_four = workers * alone / of_four;
        return callers <= 1   ? 1
               : callers == 2 ? for_two
               : callers == 3 ? (for_two + for_four) / 2
                              : for_four;
    }
};
constexpr Sharing load_sharing{294, 950, 632};
constexpr Sharing create_sharing{392, 871, 939};
constexpr double shared_rows_min = 50;  ///< of smaller calls it was not measured

constexpr std::array<std::string_view, 8> reading_methods{"read",
                                                          "search",
                                                          "search_count",
                                                          "search_read",
                                                          "name_search",
                                                          "fields_get",
                                                          "get_metadata",
                                                          "check_object_reference"};

double record_count(const MethodCall& call) {
    const auto data = call.argument(call.method == "load" ? 1 : 0, "data");
    return data.is_array() ? static_cast<double>(std::max<std::size_t>(data.size(), 1)) : 1;
}

/// Everything else does business.
bool is_light(const std::string& method) {
    return method == "create" || method == "write" || method == "unlink" ||
           method == "message_post" || is_reading(method);
}

double factor_of(const MethodCall& call, std::size_t callers) {
    if (record_count(call) < shared_rows_min) {
        return 1;
    }
    return call.method == "load"     ? load_sharing.factor(callers)
           : call.method == "create" ? create_sharing.factor(callers)
                                     : 1;
}

double ledger_ms(const MethodCall& call) {
    auto ms = ledger_call_ms;
    for (const auto& event : call.context().value("millrace_events", Json::array())) {
        for (const auto& step : event.value("steps", Json::array())) {
            ms += is_light(step.value("method", "")) ? ledger_record_ms : ledger_business_ms;
        }
    }
    return ms;
}

double call_ms(const MethodCall& call) {
    const auto rows = record_count(call);
    if (call.method == "load") {
        return load_speed.call_ms(rows);
    }
    if (call.method == "create") {
        return call.model == "mrp.workcenter.productivity" ? downtime_speed.call_ms(rows)
                                                           : create_speed.call_ms(rows);
    }
    if (call.method == "message_post") {  // a message is created
        return create_speed.call_ms(rows);
    }
    if (call.model == "ir.actions.server" && call.method == "run") {
        return ledger_ms(call);
    }
    const auto cost = is_reading(call.method) ? read_cost
                      : is_light(call.method) ? write_cost
                                              : business_cost;
    return cost.call_ms + cost.record_ms * rows;
}

}  // namespace

bool is_reading(const std::string& method) {
    return std::ranges::find(reading_methods, method) != reading_methods.end();
}

std::chrono::milliseconds measured_latency(const MethodCall& call, std::size_t callers) {
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(call_ms(call) * factor_of(call, callers)));
}

}  // namespace millrace::stand_ins
