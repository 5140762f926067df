#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"

namespace millrace::storage {

/// An entry outside of the log it lies in: its frame as in a commit, the checksum seeded with this.
inline constexpr std::uint64_t entry_image_seed = 0;

[[nodiscard]] std::vector<std::byte> format_entry_image(const FrameView& frame);
/// The frame, which lies in `image`. Errors: malformed, where it does not verify or is another
/// entry than was asked for.
[[nodiscard]] Result<FrameView> parse_entry_image(std::span<const std::byte> image,
                                                  const EntryRequest& request);

}  // namespace millrace::storage
