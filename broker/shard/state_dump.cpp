#include "broker/shard/state_dump.hpp"

#include "storage/base/endian.hpp"
#include "storage/base/units.hpp"

namespace millrace::broker {
namespace {

constexpr std::size_t frame_bytes_max = 512_KiB;

void append_text(std::vector<std::byte>& out, std::string_view text) {
    const auto at = out.size();
    out.resize(at + sizeof(std::uint32_t));
    store_le(std::span(out).subspan(at), static_cast<std::uint32_t>(text.size()));
    const auto bytes = std::as_bytes(std::span(text));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Result<std::string> take_text(std::span<const std::byte>& rest) {
    if (rest.size() < sizeof(std::uint32_t)) {
        return fail(Errc::corrupt, "state dump: a row is cut");
    }
    const auto bytes = load_le<std::uint32_t>(rest);
    rest = rest.subspan(sizeof(std::uint32_t));
    if (bytes > rest.size()) {
        return fail(Errc::corrupt, "state dump: a row is cut");
    }
    std::string text(reinterpret_cast<const char*>(rest.data()), bytes);
    rest = rest.subspan(bytes);
    return text;
}

}  // namespace

Result<void> append_state_dump(storage::ShardStore& store) {
    std::vector<std::byte> payload;
    std::uint8_t flags = dump_first;
    Result<void> outcome = ok();
    const auto append = [&] {
        const auto placed = store.append(
            {.kind = storage::FrameKind::checkpoint, .flags = flags, .payload = payload});
        if (!placed) {
            outcome = placed.error();
        }
        payload.clear();
        flags = 0;
    };
    MILLRACE_TRY(store.visit_state("", "", [&](std::string_view key, std::string_view value) {
        if (!payload.empty() && payload.size() + key.size() + value.size() > frame_bytes_max) {
            append();
        }
        append_text(payload, key);
        append_text(payload, value);
        return outcome.has_value();
    }));
    flags |= dump_last;
    append();
    return outcome;
}

Result<bool> StateDumpReader::add(const storage::FrameView& frame) {
    if ((frame.flags & dump_first) != 0) {
        rows_.clear();
        is_open_ = true;
    }
    if (!is_open_) {
        return false;  // the beginning lay in a segment that is gone
    }
    for (auto rest = frame.payload; !rest.empty();) {
        MILLRACE_TRY(auto key, take_text(rest));
        MILLRACE_TRY(rows_[std::move(key)], take_text(rest));
    }
    const bool is_whole = (frame.flags & dump_last) != 0;
    is_open_ = !is_whole;
    return is_whole;
}

}  // namespace millrace::broker
