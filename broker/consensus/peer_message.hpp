#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "storage/base/result.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {

/// What one replica of a group tells another. Little-endian:
///
///     at  bytes  field
///      0      8  XXH3 of everything behind it
///      8      2  type: RAFT_IO_...
///     10      2  flags: of votes; else 0
///     12      4  entries
///     16     32  four numbers, by type; those that a type does not have are 0
///     48         entries x {term u64, type u16, reserved u16, bytes u32}, then the bytes of each,
///                padded to 8
///
/// The content of a snapshot is not in here: a replica that is too far behind copies the shard.
[[nodiscard]] std::vector<std::byte> encode_message(const raft_message& message);

/// Entries are in memory of libraft's, which frees it. `server_id` and `server_address` stay unset.
/// Errors: malformed, checksum_mismatch.
[[nodiscard]] Result<raft_message> decode_message(std::span<const std::byte> bytes);

/// Frees what a message holds that libraft was not given.
void drop_message(raft_message& message);

}  // namespace millrace::broker::consensus
