#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/expressions/jq_program.hpp"
#include "broker/odoo/fault.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::odoo {

/// An expression of the file, with the place that errors name.
struct Expression {
    std::string name;   ///< "external_id", "when", or the field
    std::string place;  ///< file:line
    JqProgram program;
};

/// One upsert: a row of a model, found again by its external id.
struct Step {
    std::string model;
    Expression external_id;
    std::vector<Expression> cells;
};

/// What events of some topics become.
struct Rule {
    std::vector<std::string> topics;
    std::optional<Expression> when;
    std::vector<Step> steps;
};

/// An event as the sink gets it. The record is plain (client/wire/record.hpp).
struct EventView {
    std::string_view topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::span<const std::byte> record;
};

/// The cells of a row in the order of its step's columns, external id first.
using Row = std::vector<std::string>;
struct Planned {
    std::size_t rule = 0;
    std::vector<Row> rows;  ///< one a step
};
struct NotWanted {};  ///< the rule's `when` says no
using Plan = std::variant<Planned, NotWanted, Fault>;

/// A mapping file: from events to rows of Odoo.
///
/// Threads:  the control thread.
class Mapping {
  public:
    explicit Mapping(std::vector<Rule> rules) : rules_(std::move(rules)) {}

    [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
    /// The first rule whose topics match decides. A fault is always of cause mapping.
    [[nodiscard]] Plan plan(const EventView& event) const;

  private:
    std::vector<Rule> rules_;
};

/// Column names of a step's rows, as JSON text for `load`.
[[nodiscard]] std::string format_columns(const Step& step);
/// Rows as JSON text for `load`.
[[nodiscard]] std::string format_rows(std::span<const Row* const> rows);

/// What expressions see: topic, key, value, headers, event_time, append_time (microseconds),
/// partition, offset, attempt. Errors: malformed.
[[nodiscard]] Result<std::string> format_event_json(const EventView& event);

/// Reads a mapping file. Errors: configuration, with file, line and a hint.
[[nodiscard]] Result<Mapping> parse_mapping_file(const std::string& path);
[[nodiscard]] Result<Mapping> parse_mapping(const std::string& name, const std::string& text);

}  // namespace millrace::broker::odoo
