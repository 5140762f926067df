#include "broker/consensus/raft_bytes.hpp"

#include <cstdint>
#include <cstring>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::broker::consensus {

std::byte* raft_copy(std::span<const std::byte> bytes) {
    auto* const copy = static_cast<std::byte*>(raft_malloc(bytes.empty() ? 1 : bytes.size()));
    MILLRACE_ASSERT(copy != nullptr);
    if (!bytes.empty()) {
        std::memcpy(copy, bytes.data(), bytes.size());
    }
    return copy;
}

bool decode_configuration(std::string_view text, raft_configuration& configuration) {
    const auto bytes = std::as_bytes(std::span(text));
    if (bytes.size() < 9) {
        return false;
    }
    const auto count = load_le<std::uint64_t>(bytes.subspan(1));
    std::size_t at = 9;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto end = at + 8 <= text.size() ? text.find('\0', at + 8) : std::string_view::npos;
        if (end == std::string_view::npos || end + 1 >= text.size()) {
            return false;
        }
        const auto id = load_le<std::uint64_t>(bytes.subspan(at));
        if (raft_configuration_add(&configuration,
                                   id,
                                   text.data() + at + 8,
                                   static_cast<unsigned char>(text[end + 1])) != 0) {
            return false;
        }
        at = end + 2;
    }
    return true;
}

std::vector<Member> to_members(const raft_configuration& configuration) {
    std::vector<Member> members;
    for (const auto& server : std::span(configuration.servers, configuration.n)) {
        members.push_back({.node = NodeId{server.id},
                           .address = server.address,
                           .role = server.role == RAFT_VOTER     ? MemberRole::voter
                                   : server.role == RAFT_STANDBY ? MemberRole::standby
                                                                 : MemberRole::spare});
    }
    return members;
}

}  // namespace millrace::broker::consensus
