#pragma once

#include <cstdint>

#include <flatbuffers/flatbuffers.h>

/// Makes verification refuse vectors whose elements of 8 bytes are not aligned. FlatBuffers 2.0.8
/// checks only that their length is, so a hostile table would be read through misaligned pointers.
///
/// The schema compiler includes this at the top of every generated header (CMakeLists.txt), because
/// the specialisations must be known before the generated code uses them. A new struct with 8-byte
/// members gets a line here and in vector_alignment.cpp; fuzz_wire_frames finds a forgotten one.
namespace millrace::wire {

struct CommittedOffset;
struct PublishAck;
struct FetchPartition;
struct PartitionOffset;
struct DeliveryEntry;

inline constexpr std::size_t committed_offset_bytes = 16;
inline constexpr std::size_t publish_ack_bytes = 24;
inline constexpr std::size_t fetch_partition_bytes = 16;
inline constexpr std::size_t partition_offset_bytes = 16;
inline constexpr std::size_t delivery_entry_bytes = 40;

/// The elements follow a length of four bytes.
[[nodiscard]] inline bool has_aligned_elements(const void* vector) {
    const auto elements = reinterpret_cast<std::uintptr_t>(vector) + sizeof(std::uint32_t);
    return elements % sizeof(std::uint64_t) == 0;
}

}  // namespace millrace::wire

namespace flatbuffers {

template <>
inline bool Verifier::VerifyVector(const Vector<std::uint64_t>* const vector) const {
    return vector == nullptr || (millrace::wire::has_aligned_elements(vector) &&
                                 VerifyVectorOrString(reinterpret_cast<const std::uint8_t*>(vector),
                                                      sizeof(std::uint64_t)));
}

// Macros, because the structs are not complete here and their sizes have to come along.
#define MILLRACE_VERIFY_ALIGNED(name, bytes)                                                    \
    template <>                                                                                 \
    inline bool Verifier::VerifyVector(const Vector<const millrace::wire::name*>* const vector) \
        const {                                                                                 \
        return vector == nullptr ||                                                             \
               (millrace::wire::has_aligned_elements(vector) &&                                 \
                VerifyVectorOrString(reinterpret_cast<const std::uint8_t*>(vector),             \
                                     millrace::wire::bytes));                                   \
    }
MILLRACE_VERIFY_ALIGNED(CommittedOffset, committed_offset_bytes)
MILLRACE_VERIFY_ALIGNED(PublishAck, publish_ack_bytes)
MILLRACE_VERIFY_ALIGNED(FetchPartition, fetch_partition_bytes)
MILLRACE_VERIFY_ALIGNED(PartitionOffset, partition_offset_bytes)
MILLRACE_VERIFY_ALIGNED(DeliveryEntry, delivery_entry_bytes)
#undef MILLRACE_VERIFY_ALIGNED

}  // namespace flatbuffers
