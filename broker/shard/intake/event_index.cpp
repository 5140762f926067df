#include "broker/shard/intake/event_index.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "storage/base/bytes.hpp"

namespace millrace::broker {
namespace {

constexpr std::size_t count_bytes = 4;
constexpr std::size_t id_bytes = 32;
constexpr std::size_t offset_digits = 20;

std::string row_key(std::string_view prefix, Offset first) {
    const auto digits = std::to_string(first.value);
    return std::string(prefix).append(offset_digits - digits.size(), '0').append(digits);
}

}  // namespace

const EventPlace* EventIndex::find(const wire::EventId& id) const {
    const auto found = places_.find(id);
    return found == places_.end() ? nullptr : &order_[found->second - first_number_].place;
}

void EventIndex::add(const wire::EventId& id, const EventPlace& place) {
    places_.insert_or_assign(id, first_number_ + order_.size());
    order_.push_back({.id = id, .place = place});
}

void EventIndex::drop_oldest() {
    // An id that came again behind its window is held by its younger entry.
    const auto found = places_.find(order_.front().id);
    if (found != places_.end() && found->second == first_number_) {
        places_.erase(found);
    }
    order_.pop_front();
    ++first_number_;
}

void EventIndex::drop_proposal(std::uint64_t proposal) {
    const auto is_lost = [proposal](const Entry& entry) {
        return entry.place.proposal == proposal;
    };
    if (std::erase_if(order_, is_lost) == 0) {
        return;
    }
    places_.clear();
    for (std::size_t i = 0; i < order_.size(); ++i) {
        places_.insert_or_assign(order_[i].id, first_number_ + i);
    }
}

std::string EventIndex::format_row(std::size_t begin, std::size_t end) const {
    std::string row(count_bytes + (end - begin) * id_bytes, '\0');
    auto out = std::as_writable_bytes(std::span(row));
    store_le(out, static_cast<std::uint32_t>(end - begin));
    out = out.subspan(count_bytes);
    for (auto i = begin; i < end; ++i) {
        const auto& entry = order_[i];
        store_le(out, entry.id.low);
        store_le(out.subspan(8), entry.id.high);
        store_le(out.subspan(16), entry.place.offset.value);
        store_le(out.subspan(24), entry.place.append_time_us);
        out = out.subspan(id_bytes);
    }
    return row;
}

void EventIndex::write_rows(Offset next, std::string_view key_prefix, storage::StateWriter& state) {
    const auto is_below = [](const Entry& entry, Offset bound) {
        return entry.place.offset < bound;
    };
    const auto at = [&](Offset bound) {
        return static_cast<std::size_t>(
            std::lower_bound(order_.begin(), order_.end(), bound, is_below) - order_.begin());
    };
    const auto end = at(next);
    for (auto begin = at(written_upto_); begin < end; begin += row_ids_max) {
        const auto row_end = std::min(begin + row_ids_max, end);
        const Row row{.first = order_[begin].place.offset,
                      .last = order_[row_end - 1].place.offset};
        state.put(row_key(key_prefix, row.first), format_row(begin, row_end));
        rows_.push_back(row);
    }
    written_upto_ = std::max(written_upto_, next);
    while (!rows_.empty() && (order_.empty() || rows_.front().last < order_.front().place.offset)) {
        state.erase(row_key(key_prefix, rows_.front().first));
        rows_.pop_front();
    }
}

Result<void> EventIndex::parse_row(std::string_view value) {
    auto rest = std::as_bytes(std::span(value));
    const auto count = rest.size() < count_bytes ? 0 : load_le<std::uint32_t>(rest);
    if (count == 0 || (rest.size() - count_bytes) / id_bytes != count ||
        (rest.size() - count_bytes) % id_bytes != 0) {
        return fail(Errc::corrupt, "event ids: a row of " + std::to_string(rest.size()) + " bytes");
    }
    rest = rest.subspan(count_bytes);
    const Offset first{load_le<std::uint64_t>(rest.subspan(16))};
    if (first < written_upto_) {
        return fail(Errc::corrupt,
                    "event ids: a row from offset " + std::to_string(first.value) +
                        " behind one up to " + std::to_string(written_upto_.value));
    }
    for (; !rest.empty(); rest = rest.subspan(id_bytes)) {
        const Offset offset{load_le<std::uint64_t>(rest.subspan(16))};
        if (offset < written_upto_) {
            return fail(Errc::corrupt, "event ids: the offsets of a row do not go up");
        }
        add({.low = load_le<std::uint64_t>(rest), .high = load_le<std::uint64_t>(rest.subspan(8))},
            {.offset = offset, .append_time_us = load_le<std::int64_t>(rest.subspan(24))});
        written_upto_ = offset + 1;
    }
    rows_.push_back({.first = first, .last = written_upto_ - 1});
    return ok();
}

}  // namespace millrace::broker
