#include "broker/peers/frame_compression.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "storage/base/bytes.hpp"

namespace millrace::broker::peers {
namespace {

/// In front of the compressed bytes. Little-endian:
///
///     at  bytes  field
///      0      2  api of the frame inside
///      2      1  codec, Kafka's number
///      3      1  reserved, 0
///      4      4  bytes behind this header, without the frame's padding
///      8      4  bytes of the frame inside
///     12      4  reserved, 0
constexpr std::size_t header_bytes = 16;
constexpr std::size_t codec_at = 2;
constexpr std::size_t compressed_bytes_at = 4;
constexpr std::size_t plain_bytes_at = 8;

std::array<std::byte, header_bytes> format_header(PeerApi api,
                                                  wire::Codec codec,
                                                  std::size_t compressed_bytes,
                                                  std::size_t plain_bytes) {
    std::array<std::byte, header_bytes> header{};
    const std::span out(header);
    store_le(out, static_cast<std::uint16_t>(api));
    out[codec_at] = static_cast<std::byte>(codec);
    store_le(out.subspan(compressed_bytes_at), static_cast<std::uint32_t>(compressed_bytes));
    store_le(out.subspan(plain_bytes_at), static_cast<std::uint32_t>(plain_bytes));
    return header;
}

}  // namespace

Compression::Compression(wire::Codec chosen, MetricsRegistry& metrics, ShardId shard)
    : codec(chosen),
      bytes_before(metrics.counter("millrace_peer_compressed_before_bytes_total",
                                   "Bytes for other nodes that were sent compressed, before that.",
                                   shard_label(shard))),
      bytes_after(metrics.counter("millrace_peer_compressed_after_bytes_total",
                                  "The same bytes as they were sent.",
                                  shard_label(shard))) {}

FrameCompressor::FrameCompressor(const Compression& compression, const Codecs& read_by_other)
    : compression_(&compression),
      codec_(read_by_other.contains(compression.codec) ? compression.codec : wire::Codec::none) {}

bool FrameCompressor::is_worth_trying(std::size_t bytes) {
    if (codec_ == wire::Codec::none || bytes < compressed_bytes_min) {
        return false;
    }
    if (skips_left_ > 0) {
        --skips_left_;
        return false;
    }
    return true;
}

std::vector<std::byte> FrameCompressor::format(PeerApi api,
                                               std::uint32_t correlation,
                                               std::span<const std::byte> bytes) {
    if (!is_worth_trying(bytes.size())) {
        return format_bytes(api, correlation, bytes);
    }
    const auto compressed = wire::compress(codec_, bytes);
    if (!compressed || header_bytes + compressed.value().size() >= bytes.size()) {
        skips_ = std::clamp(skips_ * 2, 1U, skips_max);
        skips_left_ = skips_;
        return format_bytes(api, correlation, bytes);
    }
    skips_ = 0;
    compression_->bytes_before.add(bytes.size());
    compression_->bytes_after.add(header_bytes + compressed.value().size());
    const auto header = format_header(api, codec_, compressed.value().size(), bytes.size());
    const std::array<std::span<const std::byte>, 2> pieces{header, compressed.value()};
    return format_bytes(PeerApi::compressed, correlation, pieces);
}

Result<PlainFrame> parse_compressed(std::span<const std::byte> bytes) {
    if (bytes.size() < header_bytes) {
        return fail(Errc::malformed, "a compressed frame between nodes is cut short");
    }
    const auto compressed_bytes = load_le<std::uint32_t>(bytes.subspan(compressed_bytes_at));
    const auto plain_bytes = load_le<std::uint32_t>(bytes.subspan(plain_bytes_at));
    const auto body = bytes.subspan(header_bytes);
    const auto api = static_cast<PeerApi>(load_le<std::uint16_t>(bytes));
    if (compressed_bytes > body.size() || api == PeerApi::compressed) {
        return fail(Errc::malformed, "a compressed frame between nodes holds no whole frame");
    }
    if (plain_bytes > peer_frame_bytes_max) {
        return fail(Errc::frame_too_large,
                    "a compressed frame between nodes holds " + std::to_string(plain_bytes) +
                        " bytes, the limit is " + std::to_string(peer_frame_bytes_max));
    }
    MILLRACE_TRY(
        auto plain,
        wire::decompress(
            static_cast<wire::Codec>(bytes[codec_at]), body.first(compressed_bytes), plain_bytes));
    if (plain.size() != plain_bytes) {
        return fail(Errc::malformed,
                    "a compressed frame between nodes holds other bytes than it says");
    }
    return PlainFrame{.api = api, .bytes = std::move(plain)};
}

}  // namespace millrace::broker::peers
