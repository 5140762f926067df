#include "client/wire/frame.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::wire {
namespace {

constexpr std::size_t alignment = 8;
constexpr std::size_t length_bytes = 4;
constexpr std::size_t receive_bytes = 256_KiB;
constexpr std::size_t spare_buffers_max = 4;

ReceiveBuffer make_buffer(std::size_t bytes) {
    return {.memory = std::make_shared_for_overwrite<std::byte[]>(bytes),  // NOLINT: not zeroed
            .bytes = bytes};
}

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

SharedBytes FrameView::keep_raw() const {
    if (buffer != nullptr && raw.size() >= buffer->bytes / 2) {
        buffer->is_kept = true;
        return {buffer->memory, raw};
    }
    const auto copy = std::make_shared<std::vector<std::byte>>(raw.begin(), raw.end());
    return {copy, *copy};
}

/// Buffers that nobody holds any more: fresh memory costs a page fault for every 4 KiB.
///
/// Threads:  any.
class FrameReader::SpareBuffers : public std::enable_shared_from_this<SpareBuffers> {
  public:
    /// Of at least as many bytes. It comes back here when the last who holds it lets go.
    ReceiveBuffer take(std::size_t bytes) {
        auto buffer = take_spare();
        if (buffer.bytes < bytes) {
            buffer = make_buffer(bytes);
        }
        auto* const front = buffer.memory.get();
        const auto give_back = [self = shared_from_this(), buffer](const std::byte*) mutable {
            self->give(std::move(buffer));
        };
        return {.memory = {front, give_back}, .bytes = buffer.bytes};
    }

  private:
    ReceiveBuffer take_spare() {
        const std::lock_guard lock(mutex_);
        ReceiveBuffer spare;
        if (!spares_.empty()) {
            spare = std::move(spares_.back());
            spares_.pop_back();
        }
        return spare;
    }
    void give(ReceiveBuffer buffer) {
        const std::lock_guard lock(mutex_);
        if (spares_.size() < spare_buffers_max) {
            spares_.push_back(std::move(buffer));
        }
    }

    std::mutex mutex_;
    std::vector<ReceiveBuffer> spares_;
};

void FrameReader::replace_buffer(std::size_t bytes, std::size_t from) {
    auto next = spares_ ? spares_->take(bytes) : make_buffer(bytes);
    copy_bytes({buffer_.memory.get() + from, held_}, {next.memory.get(), next.bytes});
    buffer_ = std::move(next);
}

std::span<std::byte> FrameReader::make_room(std::size_t bytes) {
    if (buffer_.bytes - held_ < bytes) {
        // No more than the frame that has begun needs, so that it is most of the buffer.
        const auto enough = begun_ > 0 ? begun_ + receive_bytes : SIZE_MAX;
        replace_buffer(std::max(held_ + bytes, std::min(buffer_.bytes * 2, enough)), 0);
    }
    return {buffer_.memory.get() + held_, bytes};
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
    MILLRACE_ASSERT(bytes <= buffer_.bytes - held_);
    held_ += bytes;
    std::size_t handed_out = 0;
    auto outcome = hand_out(handed_out, handle);
    // Frames are multiples of 8, so moving the rest to the front keeps it aligned.
    held_ -= handed_out;
    if (buffer_.is_kept) {
        if (!spares_) {
            spares_ = std::make_shared<SpareBuffers>();
        }
        replace_buffer(buffer_.bytes, handed_out);
    } else if (handed_out > 0 && held_ > 0) {
        std::memmove(buffer_.memory.get(), buffer_.memory.get() + handed_out, held_);
    }
    return outcome;
}

Result<void> FrameReader::hand_out(std::size_t& bytes, const Handle& handle) {
    const std::span<const std::byte> held(buffer_.memory.get(), held_);
    begun_ = 0;
    for (bool is_wanted = true; is_wanted;) {
        const auto rest = held.subspan(bytes);
        MILLRACE_TRY(const auto total, frame_bytes(rest, frame_bytes_max_));
        if (!total || rest.size() < *total) {
            begun_ = total.value_or(0);
            break;
        }
        MILLRACE_TRY(auto frame, parse_frame(rest.first(*total)));
        frame.buffer = &buffer_;
        bytes += *total;
        is_wanted = handle(frame);
    }
    return ok();
}

}  // namespace millrace::wire
