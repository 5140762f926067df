#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace millrace {

/// An integer that can't be mistaken for another: `Offset{7}`, `offset.value`, `offset + 3`.
template <class Tag, class Integer>
struct StrongId {
    using value_type = Integer;
    Integer value{};

    constexpr auto operator<=>(const StrongId&) const = default;  // NOLINT(modernize-use-nullptr)
    constexpr StrongId operator+(Integer count) const {
        return StrongId{static_cast<Integer>(value + count)};
    }
    constexpr StrongId operator-(Integer count) const {
        return StrongId{static_cast<Integer>(value - count)};
    }
    constexpr StrongId& operator++() {
        ++value;
        return *this;
    }
    constexpr StrongId& operator+=(Integer count) {
        value = static_cast<Integer>(value + count);
        return *this;
    }
};

using Offset = StrongId<struct OffsetTag, std::uint64_t>;  ///< record number in a partition, from 0
using Position = StrongId<struct PositionTag, std::uint64_t>;        ///< byte in a file
using PartitionId = StrongId<struct PartitionIdTag, std::uint32_t>;  ///< unique in the cluster
using GroupId =
    StrongId<struct GroupIdTag, std::uint32_t>;  ///< consensus group; 0 is the controller
using ShardId = StrongId<struct ShardIdTag, std::uint32_t>;
using SegmentSequence = StrongId<struct SegmentSequenceTag, std::uint64_t>;
using CommitSequence = StrongId<struct CommitSequenceTag, std::uint64_t>;
using RaftIndex = StrongId<struct RaftIndexTag, std::uint64_t>;  ///< consensus entry, from 1
using RaftTerm = StrongId<struct RaftTermTag, std::uint64_t>;
using NodeId = StrongId<struct NodeIdTag, std::uint64_t>;

}  // namespace millrace

template <class Tag, class Integer>
struct std::hash<millrace::StrongId<Tag, Integer>> {
    std::size_t operator()(const millrace::StrongId<Tag, Integer>& id) const noexcept {
        return std::hash<Integer>{}(id.value);
    }
};
