#include "client/wire/frame.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::wire {
namespace {

constexpr std::size_t alignment = 8;
constexpr std::size_t length_bytes = 4;
constexpr std::size_t receive_bytes = 256_KiB;

Result<FrameView> parse_frame(std::span<const std::byte> frame) {
    FrameView view;
    view.header.api = load_le<std::uint16_t>(frame.subspan(4));
    view.header.version = load_le<std::uint16_t>(frame.subspan(6));
    view.header.correlation = load_le<std::uint32_t>(frame.subspan(8));
    view.header.flags = load_le<std::uint32_t>(frame.subspan(12));
    const auto table_bytes = load_le<std::uint32_t>(frame.subspan(16));
    const auto reserved = load_le<std::uint32_t>(frame.subspan(20));
    const auto known_flags = FrameHeader::flag_answer | FrameHeader::flag_push;
    const auto body_bytes = frame.size() - FrameHeader::bytes;
    if (reserved != 0 || (view.header.flags & ~known_flags) != 0 ||
        align_up(table_bytes, alignment) > body_bytes) {
        return fail(Errc::malformed,
                    "frame header: reserved bits or a table longer than its frame");
    }
    view.table = frame.subspan(FrameHeader::bytes, table_bytes);
    view.raw = frame.subspan(FrameHeader::bytes + align_up(table_bytes, alignment));
    return view;
}

/// Bytes of the frame at the front, or nothing while its length is not there yet.
Result<std::optional<std::size_t>> frame_bytes(std::span<const std::byte> bytes, std::size_t max) {
    if (bytes.size() < length_bytes) {
        return std::optional<std::size_t>{};
    }
    const std::size_t total = std::size_t{load_le<std::uint32_t>(bytes)} + length_bytes;
    if (total > max) {
        return fail(Errc::frame_too_large,
                    "frame of " + std::to_string(total) + " bytes, limit frame_bytes_max is " +
                        std::to_string(max));
    }
    if (total < FrameHeader::bytes || total % alignment != 0) {
        return fail(Errc::malformed, "frame length " + std::to_string(total) + " is not a frame's");
    }
    return std::optional<std::size_t>{total};
}

void put_head(std::span<std::byte> out,
              const FrameHeader& header,
              std::span<const std::byte> table,
              std::size_t frame_bytes) {
    store_le(out, static_cast<std::uint32_t>(frame_bytes - length_bytes));
    store_le(out.subspan(4), header.api);
    store_le(out.subspan(6), header.version);
    store_le(out.subspan(8), header.correlation);
    store_le(out.subspan(12), header.flags);
    store_le(out.subspan(16), static_cast<std::uint32_t>(table.size()));
    copy_bytes(table, out.subspan(FrameHeader::bytes));
}

}  // namespace

std::vector<std::byte> format_frame(const FrameHeader& header,
                                    std::span<const std::byte> table,
                                    std::span<const std::span<const std::byte>> raw_pieces) {
    std::size_t raw_bytes = 0;
    for (const auto piece : raw_pieces) {
        raw_bytes += piece.size();
    }
    const auto raw_begin = FrameHeader::bytes + align_up(table.size(), alignment);
    std::vector<std::byte> frame(raw_begin + align_up(raw_bytes, alignment));
    put_head(frame, header, table, frame.size());
    auto at = raw_begin;
    for (const auto piece : raw_pieces) {
        copy_bytes(piece, std::span(frame).subspan(at));
        at += piece.size();
    }
    return frame;
}

std::vector<std::byte> format_frame_head(const FrameHeader& header,
                                         std::span<const std::byte> table,
                                         std::size_t raw_bytes) {
    MILLRACE_ASSERT(raw_bytes % alignment == 0);
    std::vector<std::byte> head(FrameHeader::bytes + align_up(table.size(), alignment));
    put_head(head, header, table, head.size() + raw_bytes);
    return head;
}

std::span<std::byte> FrameReader::make_room(std::size_t bytes) {
    if (capacity_ - held_ < bytes) {
        const auto capacity = std::max(held_ + bytes, capacity_ * 2);
        auto memory = std::make_unique_for_overwrite<std::byte[]>(capacity);  // NOLINT: not zeroed
        copy_bytes({memory_.get(), held_}, {memory.get(), capacity});
        memory_ = std::move(memory);
        capacity_ = capacity;
    }
    return {memory_.get() + held_, bytes};
}

/// Of a long frame all that is left, so that the next one begins at the front, but no more than has
/// come of it: its length alone takes no memory.
std::span<std::byte> FrameReader::prepare() {
    const auto rest = begun_ - std::min(begun_, held_);
    return make_room(std::clamp(rest, receive_bytes, std::max(receive_bytes, held_)));
}

Result<void> FrameReader::feed(std::span<const std::byte> bytes, const Handle& handle) {
    copy_bytes(bytes, make_room(bytes.size()));
    return commit(bytes.size(), handle);
}

Result<void> FrameReader::commit(std::size_t bytes, const Handle& handle) {
    MILLRACE_ASSERT(bytes <= capacity_ - held_);
    held_ += bytes;
    std::size_t handed_out = 0;
    auto outcome = hand_out(handed_out, handle);
    // Frames are multiples of 8, so moving the rest to the front keeps it aligned.
    held_ -= handed_out;
    if (handed_out > 0 && held_ > 0) {
        std::memmove(memory_.get(), memory_.get() + handed_out, held_);
    }
    return outcome;
}

Result<void> FrameReader::hand_out(std::size_t& bytes, const Handle& handle) {
    const std::span<const std::byte> held(memory_.get(), held_);
    begun_ = 0;
    for (bool is_wanted = true; is_wanted;) {
        const auto rest = held.subspan(bytes);
        MILLRACE_TRY(const auto total, frame_bytes(rest, frame_bytes_max_));
        if (!total || rest.size() < *total) {
            begun_ = total.value_or(0);
            break;
        }
        MILLRACE_TRY(const auto frame, parse_frame(rest.first(*total)));
        bytes += *total;
        is_wanted = handle(frame);
    }
    return ok();
}

}  // namespace millrace::wire
