#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "storage/base/bytes.hpp"
#include "storage/base/result.hpp"
#include "storage/base/units.hpp"

namespace millrace::wire {

/// The header of every native frame. Little-endian:
///
///     at  bytes  field
///      0      4  length: of everything behind this field; length + 4 is a multiple of 8
///      4      2  api (schema/common.fbs)
///      6      2  version
///      8      4  correlation: an answer carries its request's
///     12      4  flags: bit 0 answer, bit 1 push
///     16      4  table_bytes
///     20      4  reserved, 0
///     24         FlatBuffers table, padded to 8; then the record bytes, padded to 8
///
/// Valid if and only if length is within the limit and a multiple as above, flags has no other bit,
/// reserved is 0, and the table lies within the frame.
struct FrameHeader {
    static constexpr std::size_t bytes = 24;
    static constexpr std::uint32_t flag_answer = 1;
    static constexpr std::uint32_t flag_push = 2;

    std::uint16_t api = 0;
    std::uint16_t version = 1;
    std::uint32_t correlation = 0;
    std::uint32_t flags = 0;
};

/// What a reader receives into.
struct ReceiveBuffer {
    std::shared_ptr<std::byte[]> memory;  // NOLINT(modernize-avoid-c-arrays): not zeroed
    std::size_t bytes = 0;
    bool is_kept = false;  ///< somebody holds the memory: nothing more is put there
};

/// One frame in a reader's buffer; valid during the call that hands it out.
struct FrameView {
    FrameHeader header;
    std::span<const std::byte> table;  ///< starts 8-aligned
    std::span<const std::byte> raw;    ///< record bytes with up to 7 bytes of padding
    ReceiveBuffer* buffer = nullptr;   ///< where they lie

    /// `raw`, for longer than that. Where it is the most of the buffer, the reader goes on with
    /// another one; else it is copied, so that little does not hold much.
    [[nodiscard]] SharedBytes keep_raw() const;
};

inline constexpr std::size_t frame_bytes_max_default = 16_MiB;
inline constexpr std::uint16_t protocol_version = 1;

/// Builds a frame of a finished table and record bytes in several pieces.
[[nodiscard]] std::vector<std::byte> format_frame(
    const FrameHeader& header,
    std::span<const std::byte> table,
    std::span<const std::span<const std::byte>> raw_pieces = {});

/// The same up to its record bytes, of which `raw_bytes` are to follow. **Requires** a multiple
/// of 8.
[[nodiscard]] std::vector<std::byte> format_frame_head(const FrameHeader& header,
                                                       std::span<const std::byte> table,
                                                       std::size_t raw_bytes);

/// Cuts a byte stream into frames.
///
/// Promise:  holds at most one frame of `frame_bytes_max` plus what one call handed in, in twice
///           as much memory; a frame that says it is longer is refused when its first four bytes
///           are there. Up to four buffers that were kept are used again.
class FrameReader {
  public:
    explicit FrameReader(std::size_t frame_bytes_max = frame_bytes_max_default)
        : frame_bytes_max_(frame_bytes_max) {}

    using Handle = std::function<bool(const FrameView&)>;

    /// Memory for what comes next, not zeroed; goes with the next call.
    [[nodiscard]] std::span<std::byte> prepare();
    /// The first `bytes` of what `prepare` gave have come: calls `handle` for each whole frame, in
    /// order, until it returns false. Errors: frame_too_large, malformed: the stream can't be
    /// trusted any more.
    [[nodiscard]] Result<void> commit(std::size_t bytes, const Handle& handle);
    /// Both, for bytes that lie elsewhere.
    [[nodiscard]] Result<void> feed(std::span<const std::byte> bytes, const Handle& handle);
    /// Part of a frame is waiting for the rest.
    [[nodiscard]] bool is_inside_frame() const { return held_ > 0; }
    void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }

  private:
    class SpareBuffers;
    [[nodiscard]] std::span<std::byte> make_room(std::size_t bytes);
    /// Goes on in another buffer, with what is held from `from` on.
    void replace_buffer(std::size_t bytes, std::size_t from);
    /// Whole frames from the front, and how many bytes they had.
    [[nodiscard]] Result<void> hand_out(std::size_t& bytes, const Handle& handle);

    std::size_t frame_bytes_max_;
    ReceiveBuffer buffer_;
    std::shared_ptr<SpareBuffers> spares_;  ///< null until something is kept
    std::size_t held_ = 0;                  ///< from the first frame that was not handed out
    std::size_t begun_ = 0;  ///< bytes that it has in all; 0 while they are not known
};

}  // namespace millrace::wire
