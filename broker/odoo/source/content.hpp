#pragma once

#include <optional>
#include <string>

#include "broker/odoo/source/hint.hpp"
#include "broker/odoo/source/source_file.hpp"

namespace millrace::broker::odoo {

/// What is published about a record of Odoo.
struct SourceEvent {
    std::string topic;
    std::string key;
    std::string value;
    std::string event_id;
};

/// A record as it was read back.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Content {
    std::int64_t id = 0;
    std::string write_date;
    Json record;       ///< `id` and the fields that the file names
    std::string hash;  ///< of those, whichever way they were read
};

/// A row of `search_read`. Errors: malformed, for what no Odoo answers.
[[nodiscard]] Result<Content> content_of(const SourceModel& model, const Json& row);

/// What the file makes of it; nothing when `only_if` does not want it. Its id names model, record,
/// `write_date` and content: two ways of reading the same change give the same id, and a value that
/// comes back later another one. Errors: invalid_argument, with the place in the file.
[[nodiscard]] Result<std::optional<SourceEvent>> event_of(const SourceModel& model,
                                                          const Content& content);

/// Whether a hint announces that its record goes. Errors: as above.
[[nodiscard]] Result<bool> announces_deletion(const SourceModel& model, const Hint& hint);
/// **Requires** `model.deleted`. Errors: as above.
[[nodiscard]] Result<SourceEvent> deleted_event(const SourceModel& model, const Hint& hint);

}  // namespace millrace::broker::odoo
