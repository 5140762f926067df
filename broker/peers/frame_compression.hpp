#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/peers/peer_wire.hpp"
#include "client/wire/compression.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::peers {

/// How a shard's frames to other nodes are compressed, and what that comes to.
struct Compression {
    Compression(wire::Codec chosen, MetricsRegistry& metrics, ShardId shard);
    wire::Codec codec;
    Counter& bytes_before;
    Counter& bytes_after;
};

/// Smaller bytes go as they are.
inline constexpr std::size_t compressed_bytes_min = 512;

/// Makes the frames to one node, compressed where that makes them smaller.
///
/// What was compressed by its producer does not become smaller again: after a frame that did not,
/// the next ones go as they are, more of them each time, `skips_max` at most.
class FrameCompressor {
  public:
    static constexpr std::uint32_t skips_max = 64;

    /// `compression` outlives it. Goes without where the other node does not read its codec.
    FrameCompressor(const Compression& compression, const Codecs& read_by_other);
    [[nodiscard]] std::vector<std::byte> format(PeerApi api,
                                                std::uint32_t correlation,
                                                std::span<const std::byte> bytes);

  private:
    [[nodiscard]] bool is_worth_trying(std::size_t bytes);

    const Compression* compression_;
    wire::Codec codec_;
    std::uint32_t skips_ = 0;       ///< after the last frame that did not become smaller
    std::uint32_t skips_left_ = 0;  ///< of these
};

/// What `FrameCompressor` made smaller; its frame has the correlation of the one inside.
struct PlainFrame {
    PeerApi api{};
    std::vector<std::byte> bytes;
};
/// Of a frame of PeerApi::compressed. Errors: malformed; frame_too_large above
/// `peer_frame_bytes_max`; unsupported_version.
[[nodiscard]] Result<PlainFrame> parse_compressed(std::span<const std::byte> bytes);

}  // namespace millrace::broker::peers
