#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "storage/base/clock.hpp"

namespace millrace::broker::delivery {

/// Things that are due at a time, by a hierarchical timing wheel: adding one and handing it over
/// cost the same whether ten or a million wait, and each takes its own size and eight bytes.
///
/// Promise:  nothing comes before its time, and nothing later than one tick after it when `advance`
/// is called at `next`. Things of one tick come in the order in which they were added to it or
/// reached it.
/// Threads:  one. Time comes from the caller.
template <class Item>
class TimingWheel {
  public:
    TimingWheel(Duration tick, SteadyTime start) : tick_(tick), start_(start) {}

    /// What is due already comes with the next tick.
    void add(SteadyTime due, Item item) {
        const auto at = std::max(ceiling(due), now_ + 1);
        insert({.at = std::min(at, ticks_max), .item = std::move(item)});
        ++size_;
    }

    /// Appends to `due` what is due at `now`.
    void advance(SteadyTime now, std::vector<Item>& due) {
        const auto target = std::max(now_, floor(now));
        for (auto slot = next_slot(); slot && slot->begins <= target; slot = next_slot()) {
            now_ = std::max(now_, slot->begins);
            open(*slot, due);
        }
        now_ = target;
    }

    /// When to call `advance` next: not after anything is due, and at the latest when it is.
    [[nodiscard]] std::optional<SteadyTime> next() const {
        const auto slot = next_slot();
        return slot ? std::optional(start_ + tick_ * static_cast<std::int64_t>(slot->begins))
                    : std::nullopt;
    }

    template <class Predicate>
    void erase_if(Predicate is_dropped) {
        const auto is_entry_dropped = [&](const Entry& entry) { return is_dropped(entry.item); };
        for (std::size_t number = 0; number < levels * slots; ++number) {
            auto& slot = wheel_[number / slots][number % slots];
            size_ -= std::erase_if(slot, is_entry_dropped);
            if (slot.empty()) {
                occupied_[number / slots] &= ~bit(number % slots);
            }
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    static constexpr std::size_t bits = 6;
    static constexpr std::size_t slots = std::size_t{1} << bits;
    static constexpr std::size_t levels = 6;
    static constexpr std::uint64_t ticks_max = (std::uint64_t{1} << (bits * levels)) - 1;

    struct Entry {
        std::uint64_t at = 0;  ///< in ticks
        Item item;
    };
    struct Slot {
        std::size_t level = 0;
        std::size_t index = 0;
        std::uint64_t begins = 0;
    };

    static std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << index; }

    [[nodiscard]] std::uint64_t floor(SteadyTime time) const {
        return time <= start_ ? 0 : static_cast<std::uint64_t>((time - start_) / tick_);
    }
    [[nodiscard]] std::uint64_t ceiling(SteadyTime time) const {
        const auto whole = floor(time);
        const bool is_exact = start_ + tick_ * static_cast<std::int64_t>(whole) >= time;
        return whole + (is_exact ? 0 : 1);
    }

    /// The highest digit in which the time differs from now says the level, the digit the slot.
    void insert(Entry entry) {
        const auto difference = (entry.at ^ now_) | (slots - 1);
        const auto level =
            std::min((static_cast<std::size_t>(std::bit_width(difference)) - 1) / bits, levels - 1);
        const auto index = static_cast<std::size_t>(entry.at >> (level * bits)) % slots;
        wheel_[level][index].push_back(std::move(entry));
        occupied_[level] |= bit(index);
    }

    /// What lies in a lower level is due before everything in a higher one.
    [[nodiscard]] std::optional<Slot> next_slot() const {
        for (std::size_t level = 0; level < levels; ++level) {
            if (occupied_[level] == 0) {
                continue;
            }
            const auto index = static_cast<std::size_t>(std::countr_zero(occupied_[level]));
            const auto shift = level * bits;
            const auto round = now_ >> (shift + bits) << (shift + bits);
            return Slot{.level = level,
                        .index = index,
                        .begins = round + (static_cast<std::uint64_t>(index) << shift)};
        }
        return std::nullopt;
    }

    void open(const Slot& slot, std::vector<Item>& due) {
        auto entries = std::exchange(wheel_[slot.level][slot.index], {});
        occupied_[slot.level] &= ~bit(slot.index);
        for (auto& entry : entries) {
            if (entry.at <= now_) {
                due.push_back(std::move(entry.item));
                --size_;
            } else {
                insert(std::move(entry));
            }
        }
    }

    Duration tick_;
    SteadyTime start_;
    std::uint64_t now_ = 0;  ///< in ticks
    std::array<std::array<std::vector<Entry>, slots>, levels> wheel_;
    std::array<std::uint64_t, levels> occupied_{};
    std::size_t size_ = 0;
};

}  // namespace millrace::broker::delivery
