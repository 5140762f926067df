#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/catalog/catalog_view.hpp"
#include "broker/delivery/jobs/replay/record_filter.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery {

inline constexpr std::string_view replay_id_header = "millrace-replay-id";
inline constexpr std::string_view origin_header = "millrace-origin";

/// "plant1.mes.workorder.finished/3@17".
[[nodiscard]] std::string format_origin(const RecordOrigin& origin);
/// Nothing for a text that is none.
[[nodiscard]] std::optional<RecordOrigin> parse_origin(std::string_view text);

/// Where a record that lies in `partition` came from: for what was replayed to a subscription the
/// place that its header names, for everything else the place where it lies.
[[nodiscard]] RecordOrigin origin_of(const CatalogView& view,
                                     PartitionId partition,
                                     Offset offset,
                                     std::span<const std::byte> plain_record);

}  // namespace millrace::broker::delivery
