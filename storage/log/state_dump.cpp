#include "storage/log/state_dump.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/base/bytes.hpp"

namespace millrace::storage {
namespace {

void append_text(std::vector<std::byte>& out, std::string_view text) {
    const auto at = out.size();
    out.resize(at + sizeof(std::uint32_t));
    store_le(std::span(out).subspan(at), static_cast<std::uint32_t>(text.size()));
    const auto bytes = std::as_bytes(std::span(text));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

/// Takes a text off the front; nothing, and `rest` as it was, where it has not ended yet.
std::optional<std::string> take_text(std::span<const std::byte>& rest) {
    if (rest.size() < sizeof(std::uint32_t)) {
        return std::nullopt;
    }
    const auto bytes = load_le<std::uint32_t>(rest);
    const auto text = rest.subspan(sizeof(std::uint32_t));
    if (bytes > text.size()) {
        return std::nullopt;
    }
    rest = text.subspan(bytes);
    return std::string(reinterpret_cast<const char*>(text.data()), bytes);
}

constexpr std::array part_prefixes{state_prefix, partition_prefix};

}  // namespace

StateDumpWriter::StateDumpWriter(const KeyValueStore& rows, std::size_t frame_bytes_max)
    : parts_{rows.cursor(std::string(part_prefixes[dump_of_state])),
             rows.cursor(std::string(part_prefixes[dump_of_partitions]))},
      frame_bytes_max_(frame_bytes_max) {}

Result<bool> StateDumpWriter::load_row() {
    MILLRACE_TRY(const auto row, parts_.at(part_).next());
    if (!row) {
        ++part_;
        is_at_end_ = part_ == parts_.size();
        return false;
    }
    row_.clear();
    row_begin_ = 0;
    append_text(row_, row->key.substr(part_prefixes.at(part_).size()));
    append_text(row_, row->value);
    return true;
}

Result<bool> StateDumpWriter::prepare_row() {
    while (row_begin_ == row_.size() && !is_at_end_) {
        MILLRACE_TRY(const bool has_row, load_row());
        if (!has_row && !payload_.empty()) {
            return false;
        }
    }
    return !is_at_end_;
}

Result<FrameView> StateDumpWriter::next() {
    payload_.clear();
    auto part = part_;
    while (payload_.size() < frame_bytes_max_) {
        MILLRACE_TRY(const bool has_row, prepare_row());
        if (!has_row) {
            break;
        }
        part = part_;
        const auto rest = std::span(row_).subspan(row_begin_);
        const auto bytes = std::min(rest.size(), frame_bytes_max_ - payload_.size());
        payload_.insert(payload_.end(),
                        rest.begin(),
                        std::next(rest.begin(), static_cast<std::ptrdiff_t>(bytes)));
        row_begin_ += bytes;
    }
    ++number_;
    const auto first = static_cast<std::uint8_t>(number_ == 1 ? dump_first : 0);
    const auto last = static_cast<std::uint8_t>(is_at_end_ ? dump_last : 0);
    return FrameView{.kind = FrameKind::checkpoint,
                     .flags = static_cast<std::uint8_t>(first | last),
                     .entry_type = part,
                     .index = RaftIndex{number_},
                     .payload = payload_};
}

Result<void> StateDumpReader::add(const FrameView& frame) {
    if ((frame.flags & dump_first) != 0) {
        building_ = {};
        rest_.clear();
        part_ = dump_of_state;
        // Numbers start at 1, or are 0 throughout.
        number_ = frame.index.value == 0 ? 0 : frame.index.value - 1;
        is_open_ = true;
    }
    if (!is_open_) {
        return ok();  // the beginning lay in a segment that is gone, or was damaged
    }
    auto taken = take(frame);
    is_open_ = taken.has_value() && (frame.flags & dump_last) == 0;
    return taken;
}

Result<void> StateDumpReader::take(const FrameView& frame) {
    const bool is_numbered = number_ != 0 || frame.index.value != 0;
    if (is_numbered && frame.index.value != ++number_) {
        return fail(Errc::corrupt,
                    "state dump: frame " + std::to_string(frame.index.value) + " where " +
                        std::to_string(number_) + " was expected");
    }
    if (frame.entry_type != part_) {
        MILLRACE_TRY(begin_part(frame.entry_type));
    }
    rest_.insert(rest_.end(), frame.payload.begin(), frame.payload.end());
    MILLRACE_TRY(take_rows());
    if ((frame.flags & dump_last) == 0) {
        return ok();
    }
    if (!rest_.empty()) {
        return fail(Errc::corrupt, "state dump: a row is cut");
    }
    whole_ = std::exchange(building_, {});
    return ok();
}

Result<void> StateDumpReader::begin_part(std::uint16_t part) {
    if (part != dump_of_partitions) {
        return fail(Errc::corrupt, "state dump: has a part " + std::to_string(part));
    }
    if (!rest_.empty()) {
        return fail(Errc::corrupt, "state dump: a row is cut");
    }
    part_ = part;
    return ok();
}

Result<void> StateDumpReader::take_rows() {
    auto rest = std::span<const std::byte>(rest_);
    auto done = rest.size();
    for (auto at = rest; !at.empty();) {
        auto key = take_text(at);
        auto value = key ? take_text(at) : std::nullopt;
        if (!value) {
            break;
        }
        MILLRACE_TRY(take_row(std::move(*key), std::move(*value)));
        rest = at;
    }
    done -= rest.size();
    rest_.erase(rest_.begin(), std::next(rest_.begin(), static_cast<std::ptrdiff_t>(done)));
    return ok();
}

Result<void> StateDumpReader::take_row(std::string key, std::string value) {
    if (part_ == dump_of_state) {
        building_.rows.insert_or_assign(std::move(key), std::move(value));
        return ok();
    }
    MILLRACE_TRY(const auto row, parse_partition_row(value));
    building_.ends[partition_of_key(std::string(partition_prefix) + key)] = row.next;
    return ok();
}

}  // namespace millrace::storage
