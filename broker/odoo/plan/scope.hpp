#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/odoo/mapping/mapping.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::odoo {

/// An event as the sink gets it. The record is plain (client/wire/record.hpp).
struct EventView {
    std::string_view topic;
    UnixMicros topic_created_us = 0;  ///< 0: not known
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::span<const std::byte> record;
};

/// What expressions of one event see: topic, topic_created, key, value, headers, event_time,
/// append_time (microseconds), partition, offset, attempt, and steps with what each step brought.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
class Scope {
  public:
    /// Errors: malformed, for bytes that are no record or no UTF-8.
    [[nodiscard]] static Result<Scope> of(const EventView& event);
    /// An event of a file: a value under "value" and what else it brings. Errors: malformed.
    [[nodiscard]] static Result<Scope> of_json(const std::string& text);

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] const Json& json() const { return json_; }
    [[nodiscard]] std::string topic() const;
    void add_step(const std::string& name, Json result);
    /// What steps brought is not to be seen any more.
    void forget_steps();

  private:
    explicit Scope(Json json) : json_(std::move(json)), text_(json_.dump()) {}
    Json json_;
    std::string text_;
};

/// The rule's `event_id`, else the header event-id, else topic/partition@offset#created: offsets
/// begin again when a topic is deleted and made anew.
[[nodiscard]] Result<std::string> event_id_of(const Rule& rule, const Scope& scope);
/// The rule's lanes: nothing, one, or several.
[[nodiscard]] Result<std::vector<std::string>> lanes_of(const Rule& rule, const Scope& scope);
/// Any text as a part of an external id; different texts stay different.
[[nodiscard]] std::string external_name(std::string_view text);

}  // namespace millrace::broker::odoo
