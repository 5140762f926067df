#include "tests/stand_ins/plant/production_log.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "tests/stand_ins/plant/csv_reader.hpp"

namespace millrace::plant {
namespace {

/// Where in a row each field stands.
struct Columns {
    std::size_t product = 0;
    std::size_t order_quantity = 0;
    std::size_t work_order = 0;
    std::size_t activity = 0;
    std::size_t worker = 0;
    std::size_t report = 0;
    std::size_t quantity = 0;
    std::size_t rejected = 0;
    std::size_t minutes = 0;
    std::size_t completed = 0;
    std::optional<std::size_t> workcenter;
    std::size_t count = 0;
};

std::optional<std::size_t> find_column(const CsvRow& header, std::string_view name) {
    const auto at = std::find(header.fields.begin(), header.fields.end(), name);
    return at == header.fields.end()
               ? std::nullopt
               : std::optional(static_cast<std::size_t>(at - header.fields.begin()));
}

Result<Columns> parse_columns(const CsvRow& header) {
    struct Wanted {
        const char* name;
        std::size_t Columns::*place;
    };
    constexpr Wanted wanted[] = {{"Part_Desc_", &Columns::product},
                                 {"Work_Order_Qty", &Columns::order_quantity},
                                 {"Case ID", &Columns::work_order},
                                 {"Activity", &Columns::activity},
                                 {"Resource", &Columns::worker},
                                 {"Report_Type", &Columns::report},
                                 {"Qty_Completed", &Columns::quantity},
                                 {"Qty_for_MRB", &Columns::rejected},
                                 {"activity_duration", &Columns::minutes},
                                 {"Complete Timestamp", &Columns::completed}};
    Columns columns{.count = header.fields.size()};
    for (const Wanted& column : wanted) {
        const auto at = find_column(header, column.name);
        if (!at) {
            return fail(Errc::malformed, "no column \"" + std::string(column.name) + "\"");
        }
        columns.*column.place = *at;
    }
    columns.workcenter = find_column(header, "Resource.1");
    return columns;
}

Error bad_field(const char* what, const std::string& text, const char* wanted) {
    return fail(Errc::malformed, std::string(what) + " is \"" + text + "\", not " + wanted);
}

Result<std::uint32_t> parse_quantity(const char* what, const std::string& text) {
    std::uint32_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end) {
        return bad_field(what, text, "a whole number");
    }
    return number;
}

Result<double> parse_minutes(const std::string& text) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end || !std::isfinite(number) || number < 0) {
        return bad_field("activity_duration", text, "minutes");
    }
    return number;
}

std::string workcenter_of(const Columns& columns, const std::vector<std::string>& fields) {
    if (columns.workcenter) {
        return fields[*columns.workcenter];
    }
    const std::string& activity = fields[columns.activity];
    constexpr std::string_view dash = " - ";
    const std::size_t at = activity.rfind(dash);
    return at == std::string::npos ? activity : activity.substr(at + dash.size());
}

Result<Event> parse_row(const Columns& columns, const CsvRow& row) {
    const std::vector<std::string>& fields = row.fields;
    if (fields.size() != columns.count) {
        return fail(Errc::malformed,
                    std::to_string(fields.size()) + " fields, the header has " +
                        std::to_string(columns.count));
    }
    if (fields[columns.work_order].empty()) {
        return fail(Errc::malformed, "Case ID is empty");
    }
    const auto time_us = parse_log_time(fields[columns.completed]);
    if (!time_us) {
        return bad_field("Complete Timestamp", fields[columns.completed], "DD.MM.YYYY HH:MM");
    }
    const std::string& report = fields[columns.report];
    if (report != "S" && report != "D" && report != "B") {
        return bad_field("Report_Type", report, "S, D or B");
    }
    WorkStep step{.product = fields[columns.product],
                  .operation = fields[columns.activity],
                  .workcenter = workcenter_of(columns, fields),
                  .worker = fields[columns.worker],
                  .report = report.front()};
    MILLRACE_TRY(step.work_order_quantity,
                 parse_quantity("Work_Order_Qty", fields[columns.order_quantity]));
    MILLRACE_TRY(step.quantity, parse_quantity("Qty_Completed", fields[columns.quantity]));
    MILLRACE_TRY(step.rejected, parse_quantity("Qty_for_MRB", fields[columns.rejected]));
    MILLRACE_TRY(step.minutes, parse_minutes(fields[columns.minutes]));
    return Event{.key = fields[columns.work_order],
                 .id = "log-" + std::to_string(row.line),
                 .time_us = *time_us,
                 .value = std::move(step)};
}

/// Into the order of time, and each event its number within its work order.
void put_in_order(std::vector<Event>& events) {
    std::stable_sort(events.begin(), events.end(), [](const Event& left, const Event& right) {
        return left.time_us < right.time_us;
    });
    std::unordered_map<std::string, std::uint64_t> next;
    for (Event& event : events) {
        event.sequence = next[event.key]++;
    }
}

Error in_file(const std::string& name, std::size_t line, Error error) {
    error.text = name + ":" + std::to_string(line) + ": " + error.text;
    return error;
}

Result<std::optional<CsvRow>> read_named(CsvReader& reader, const std::string& name) {
    auto row = reader.read();
    if (row.has_error()) {
        Error error = row.error();
        error.text = name + ":" + error.text;
        return error;
    }
    return row;
}

}  // namespace

Result<std::vector<Event>> read_production_log(std::istream& in, const std::string& name) {
    CsvReader reader(in, ';');
    MILLRACE_TRY(const auto header, read_named(reader, name));
    if (!header) {
        return in_file(name, 1, fail(Errc::malformed, "the file is empty"));
    }
    const auto columns = parse_columns(*header);
    if (columns.has_error()) {
        return in_file(name, header->line, columns.error());
    }
    std::vector<Event> events;
    while (true) {
        MILLRACE_TRY(const auto row, read_named(reader, name));
        if (!row) {
            break;
        }
        auto event = parse_row(columns.value(), *row);
        if (event.has_error()) {
            return in_file(name, row->line, event.error());
        }
        events.push_back(std::move(event).value());
    }
    put_in_order(events);
    return events;
}

}  // namespace millrace::plant
