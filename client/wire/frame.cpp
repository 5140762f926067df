#include "client/wire/frame.hpp"

#include <cstring>
#include <optional>

#include "storage/base/bytes.hpp"

namespace millrace::wire {
namespace {

constexpr std::size_t alignment = 8;
constexpr std::size_t length_bytes = 4;

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
    const std::span out(frame);
    store_le(out, static_cast<std::uint32_t>(frame.size() - length_bytes));
    store_le(out.subspan(4), header.api);
    store_le(out.subspan(6), header.version);
    store_le(out.subspan(8), header.correlation);
    store_le(out.subspan(12), header.flags);
    store_le(out.subspan(16), static_cast<std::uint32_t>(table.size()));
    copy_bytes(table, out.subspan(FrameHeader::bytes));
    auto at = raw_begin;
    for (const auto piece : raw_pieces) {
        if (!piece.empty()) {
            std::memcpy(&frame[at], piece.data(), piece.size());
            at += piece.size();
        }
    }
    return frame;
}

Result<void> FrameReader::feed(std::span<const std::byte> bytes,
                               const std::function<bool(const FrameView&)>& handle) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    bool is_wanted = true;
    while (is_wanted) {
        const auto rest = std::span<const std::byte>(buffer_).subspan(begin_);
        MILLRACE_TRY(const auto total, frame_bytes(rest, frame_bytes_max_));
        if (!total || rest.size() < *total) {
            break;
        }
        MILLRACE_TRY(const auto frame, parse_frame(rest.first(*total)));
        begin_ += *total;
        is_wanted = handle(frame);
    }
    // Frames are multiples of 8, so moving the rest to the front keeps it aligned.
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    return ok();
}

}  // namespace millrace::wire
