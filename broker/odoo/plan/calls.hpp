#pragma once

#include <span>

#include "broker/odoo/plan/work.hpp"
#include "broker/odoo/transport/transport.hpp"

namespace millrace::broker::odoo {

using Works = std::span<const Work* const>;

/// Column names of a step's rows.
[[nodiscard]] Json columns_of(const Step& step);
[[nodiscard]] Call load_call(const Step& step, Works works);
[[nodiscard]] Call create_call(const Step& step, Works works);
/// For `write` and `call`: works of one group, on all their records.
[[nodiscard]] Call group_call(const Step& step, Works works);
[[nodiscard]] Call read_call(const std::string& model, const Json& ids, const Json& fields);
[[nodiscard]] Call reference_call(const std::string& external_id);
/// Finds at most two, so that more than one is seen.
[[nodiscard]] Call search_call(const Step& step, const Work& work);

/// Fields of a step that are read back after a call.
[[nodiscard]] Json expected_fields(const Step& step);
/// Whether a record that was read is as the step expects it.
[[nodiscard]] bool is_as_expected(const Step& step, const Json& record);
/// Whether a value that was read is one of those that are allowed.
[[nodiscard]] bool is_one_of(const Json& allowed, const Json& found);
/// Whether a call can have changed nothing, however it ended.
[[nodiscard]] bool only_reads(const Call& call);

}  // namespace millrace::broker::odoo
