#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "broker/consensus/group.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {

/// A copy in memory that libraft will free.
[[nodiscard]] std::byte* raft_copy(std::span<const std::byte> bytes);

[[nodiscard]] inline std::span<const std::byte> bytes_of(const raft_buffer& buffer) {
    return {static_cast<const std::byte*>(buffer.base), buffer.len};
}

/// Reads a configuration in libraft's own encoding: version u8, count u64, then {id u64, address
/// 0-terminated, role u8}. False where the text is none.
[[nodiscard]] bool decode_configuration(std::string_view text, raft_configuration& configuration);

[[nodiscard]] std::vector<Member> to_members(const raft_configuration& configuration);

}  // namespace millrace::broker::consensus
