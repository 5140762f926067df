#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/peers/node_labels.hpp"
#include "client/wire/compression.hpp"
#include "client/wire/frame.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::peers {

/// Frames between nodes have the header of the native protocol (client/wire/frame.hpp), no table,
/// and an api of their own. All but messages, compressed frames and bytes of the log carry JSON.
enum class PeerApi : std::uint16_t {
    hello = 1,       ///< the first frame of either side
    message = 2,     ///< of consensus; the correlation is the group
    list = 3,        ///< the segments of this shard: what a copy begins with
    read = 4,        ///< bytes of a segment
    refusal = 5,     ///< why a hello, a list, a read or an entry has no other answer
    doubt = 6,       ///< what was read of a segment does not verify
    entry = 7,       ///< one entry of a group, from the log
    compressed = 8,  ///< another frame, as frame_compression has it
};

/// The largest frame: all that a leader keeps in memory may go out at once.
inline constexpr std::size_t peer_frame_bytes_max = 256_MiB;
inline constexpr std::uint32_t peer_protocol_version = 1;

/// A number that no other process has, until this one ends. Threads:  any.
[[nodiscard]] std::uint64_t own_process();

using Codecs = std::set<wire::Codec>;

/// Who is at the other end.
struct PeerHello {
    std::uint32_t version = peer_protocol_version;
    NodeId node;
    std::uint32_t shard = 0;
    std::uint32_t shard_count = 1;
    std::string cluster_id;                 ///< empty before the cluster is founded
    std::vector<std::uint64_t> founders;    ///< the nodes of a cluster that would be founded now
    bool is_new = false;                    ///< nothing was ever agreed on there
    bool is_copying = false;                ///< wants a copy and takes no messages
    std::string native;                     ///< where its clients connect, address:port
    std::string http;                       ///< and HTTP; empty from one that does not know it
    std::uint64_t process = own_process();  ///< 0 from one that does not tell
    NodeLabels labels = {};                 ///< empty from one that does not tell
    /// What it reads besides plain frames; nothing, from one that does not tell.
    Codecs codecs = {wire::Codec::lz4, wire::Codec::zstd};
};
[[nodiscard]] std::vector<std::byte> format_hello(const PeerHello& hello);
/// Errors: malformed, unsupported_version.
[[nodiscard]] Result<PeerHello> parse_hello(std::span<const std::byte> text);

/// What a copy of a shard consists of, as its leader says.
struct ShardListing {
    std::map<std::uint32_t, std::uint64_t> terms;  ///< by group
    std::vector<storage::SegmentExtent> segments;
};
[[nodiscard]] std::vector<std::byte> format_listing(std::uint32_t correlation,
                                                    const ShardListing& listing);
[[nodiscard]] Result<ShardListing> parse_listing(std::span<const std::byte> text);

[[nodiscard]] std::vector<std::byte> format_list_request(std::uint32_t correlation);
[[nodiscard]] std::vector<std::byte> format_read_request(std::uint32_t correlation,
                                                         const storage::SegmentRead& read);
[[nodiscard]] Result<storage::SegmentRead> parse_read_request(std::span<const std::byte> text);

[[nodiscard]] std::vector<std::byte> format_doubt(const storage::SegmentExtent& extent);
/// The segment and its hash seed.
[[nodiscard]] Result<storage::SegmentExtent> parse_doubt(std::span<const std::byte> text);

/// The answer is the entry as storage/repair/entry_image has it.
[[nodiscard]] std::vector<std::byte> format_entry_request(std::uint32_t correlation,
                                                          const storage::EntryRequest& request);
[[nodiscard]] Result<storage::EntryRequest> parse_entry_request(std::span<const std::byte> text);

[[nodiscard]] std::vector<std::byte> format_refusal(std::uint32_t correlation, const Error& error);
[[nodiscard]] Error parse_refusal(std::span<const std::byte> text);

/// A frame with bytes that are no text, of several pieces.
[[nodiscard]] std::vector<std::byte> format_bytes(
    PeerApi api, std::uint32_t correlation, std::span<const std::span<const std::byte>> pieces);
[[nodiscard]] std::vector<std::byte> format_bytes(PeerApi api,
                                                  std::uint32_t correlation,
                                                  std::span<const std::byte> bytes);

}  // namespace millrace::broker::peers
