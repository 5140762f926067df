#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "storage/base/clock.hpp"

namespace millrace::plant {

/// A step of a work order was reported, as in a row of the real log.
struct WorkStep {
    std::string product;
    std::uint32_t work_order_quantity = 0;
    std::string operation;
    std::string workcenter;
    std::string worker;
    char report = 'D';  ///< S set-up, D production, B break
    std::uint32_t quantity = 0;
    std::uint32_t rejected = 0;
    double minutes = 0;
};
struct MachineState {
    std::string machine;
    std::string state;  ///< setup, running, stopped, idle
    std::string work_order;
};
struct StockMove {
    std::string work_order;
    std::string product;
    std::uint32_t quantity = 0;
    std::string from;
    std::string to;
};
struct QualityResult {
    std::string product;
    std::string workcenter;
    std::string inspector;
    std::uint32_t inspected = 0;
    std::uint32_t rejected = 0;
};

/// The families, in the order of the alternatives of `Event::value`.
enum class Family : std::uint8_t { mes, machine, wms, quality };

struct Event {
    std::string key;  ///< work order, machine or location
    std::string id;   ///< header event-id: the same in every run
    UnixMicros time_us = 0;
    std::uint64_t sequence = 0;  ///< per topic and key, from 0
    std::variant<WorkStep, MachineState, StockMove, QualityResult> value;

    [[nodiscard]] Family family() const { return static_cast<Family>(value.index()); }
};

/// "plant1.mes.workorder.step" and so on.
[[nodiscard]] std::string_view topic_of(Family family);
/// "mes", "machine", "wms", "quality".
[[nodiscard]] std::string_view name_of(Family family);

/// A line of the input of `millrace publish --jsonl`, without the line break. Text that is no UTF-8
/// has its bad bytes replaced.
[[nodiscard]] std::string format_event(const Event& event);

/// Whole minutes "DD.MM.YYYY HH:MM", as UTC; nothing where it is no such moment.
[[nodiscard]] std::optional<UnixMicros> parse_log_time(std::string_view text);
/// "YYYY-MM-DD HH:MM:SS" in UTC, the form that Odoo takes.
[[nodiscard]] std::string format_odoo_time(UnixMicros time_us);

}  // namespace millrace::plant
