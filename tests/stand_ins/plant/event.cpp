#include "tests/stand_ins/plant/event.hpp"

#include <array>
#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace::plant {
namespace {

using Json = nlohmann::ordered_json;

struct FamilyNames {
    std::string_view name;
    std::string_view topic;
};
constexpr std::array<FamilyNames, 4> families{{{"mes", "plant1.mes.workorder.step"},
                                               {"machine", "plant1.machine.state"},
                                               {"wms", "plant1.wms.move"},
                                               {"quality", "plant1.quality.result"}}};

Json fields_of(const Event& event, const WorkStep& step) {
    return {{"product", step.product},
            {"work_order_quantity", step.work_order_quantity},
            {"operation", step.operation},
            {"workcenter", step.workcenter},
            {"worker", step.worker},
            {"report", std::string(1, step.report)},
            {"quantity", step.quantity},
            {"rejected", step.rejected},
            {"minutes", step.minutes},
            {"sequence", event.sequence},
            {"completed_at", format_odoo_time(event.time_us)}};
}

Json fields_of(const Event& event, const MachineState& change) {
    return {{"machine", change.machine},
            {"state", change.state},
            {"work_order", change.work_order},
            {"sequence", event.sequence},
            {"changed_at", format_odoo_time(event.time_us)}};
}

Json fields_of(const Event& event, const StockMove& move) {
    return {{"work_order", move.work_order},
            {"product", move.product},
            {"quantity", move.quantity},
            {"from", move.from},
            {"to", move.to},
            {"sequence", event.sequence},
            {"moved_at", format_odoo_time(event.time_us)}};
}

Json fields_of(const Event& event, const QualityResult& result) {
    return {{"work_order", event.key},
            {"product", result.product},
            {"workcenter", result.workcenter},
            {"inspector", result.inspector},
            {"inspected", result.inspected},
            {"rejected", result.rejected},
            {"verdict", result.rejected == 0 ? "pass" : "fail"},
            {"sequence", event.sequence},
            {"checked_at", format_odoo_time(event.time_us)}};
}

/// The number that is all of `text`, digits only.
std::optional<unsigned> parse_digits(std::string_view text) {
    unsigned number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string_view topic_of(Family family) {
    return families.at(static_cast<std::size_t>(family)).topic;
}

std::string_view name_of(Family family) {
    return families.at(static_cast<std::size_t>(family)).name;
}

std::string format_event(const Event& event) {
    const Json value =
        std::visit([&event](const auto& what) { return fields_of(event, what); }, event.value);
    const Json line{{"topic", topic_of(event.family())},
                    {"key", event.key},
                    {"headers", {{"event-id", event.id}}},
                    {"event_time_us", event.time_us},
                    {"value", value}};
    return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<UnixMicros> parse_log_time(std::string_view text) {
    constexpr std::string_view form = "DD.MM.YYYY HH:MM";
    if (text.size() != form.size() || text[2] != '.' || text[5] != '.' || text[10] != ' ' ||
        text[13] != ':') {
        return std::nullopt;
    }
    const auto day = parse_digits(text.substr(0, 2));
    const auto month = parse_digits(text.substr(3, 2));
    const auto year = parse_digits(text.substr(6, 4));
    const auto hour = parse_digits(text.substr(11, 2));
    const auto minute = parse_digits(text.substr(14, 2));
    if (!day || !month || !year || !hour || !minute || *hour > 23 || *minute > 59) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(*month),
                                           std::chrono::day(*day));
    if (!date.ok()) {
        return std::nullopt;
    }
    const auto moment =
        std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute);
    return std::chrono::duration_cast<Duration>(moment.time_since_epoch()).count();
}

std::string format_odoo_time(UnixMicros time_us) {
    const std::chrono::sys_time<Duration> moment{Duration(time_us)};
    const auto midnight = std::chrono::floor<std::chrono::days>(moment);
    const std::chrono::year_month_day date(midnight);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(moment - midnight));
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                       static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()),
                       time.hours().count(),
                       time.minutes().count(),
                       time.seconds().count());
}

}  // namespace millrace::plant
