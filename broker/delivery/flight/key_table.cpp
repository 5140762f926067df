#include "broker/delivery/flight/key_table.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "storage/base/assert.hpp"

namespace millrace::broker::delivery {

KeyTable::Parked KeyTable::Queue::pop() {
    auto next = std::move(parked_[taken_]);
    ++taken_;
    if (taken_ * 2 >= parked_.size()) {
        parked_.erase(parked_.begin(), parked_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
    }
    return next;
}

KeyTable::Parked* KeyTable::Queue::find(Offset offset) {
    const auto begin = parked_.begin() + static_cast<std::ptrdiff_t>(taken_);
    const auto found =
        std::ranges::lower_bound(begin, parked_.end(), offset, std::less{}, &Parked::offset);
    return found == parked_.end() || found->offset != offset ? nullptr : &*found;
}

std::size_t KeyTable::Queue::kept_bytes() const {
    return std::accumulate(
        parked_.begin(), parked_.end(), std::size_t{0}, [](std::size_t sum, const Parked& one) {
            return sum + bytes_of(one);
        });
}

void KeyTable::Queue::drop_items() {
    for (auto& parked : parked_) {
        parked.item.reset();
    }
}

std::size_t KeyTable::bytes_of(const Parked& parked) {
    return parked.item ? sizeof(Item) + parked.item->key.size() + parked.item->record.size() : 0;
}

KeyTable::Queue& KeyTable::add(PartitionId partition, std::string_view key) {
    return keys_.try_emplace({.partition = partition, .key = std::string(key)}).first->second;
}

KeyTable::Queue& KeyTable::queue_of(PartitionId partition, std::string_view key) {
    const auto found = find(partition, key);
    return found != keys_.end() ? found->second : add(partition, key);
}

bool KeyTable::take(PartitionId partition, std::string_view key) {
    if (find(partition, key) != keys_.end()) {
        return false;
    }
    add(partition, key).has_record = true;
    return true;
}

void KeyTable::park(Item item) {
    const auto found = find(item.partition, item.key);
    MILLRACE_ASSERT(found != keys_.end());
    auto& queue = found->second;
    parked_keys_ += queue.size() == 0 ? 1U : 0U;
    ++parked_records_;
    Parked parked{.offset = item.offset, .item = std::make_unique<Item>(std::move(item))};
    if (queue.is_held || kept_bytes_ + bytes_of(parked) > kept_bytes_max_) {
        parked.item.reset();
    }
    kept_bytes_ += bytes_of(parked);
    queue.push(std::move(parked));
}

void KeyTable::hold(PartitionId partition, std::string_view key) {
    if (const auto found = find(partition, key); found != keys_.end()) {
        hold(found->second);
    }
}

void KeyTable::hold(Queue& queue) {
    kept_bytes_ -= queue.kept_bytes();
    queue.drop_items();
    queue.is_held = true;
}

void KeyTable::hold_for_letter(PartitionId partition, std::string_view key, std::uint64_t letter) {
    auto& queue = queue_of(partition, key);
    if (std::ranges::find(queue.letters, letter) == queue.letters.end()) {
        queue.letters.push_back(letter);
    }
    hold(queue);
}

void KeyTable::turn_into_letter(PartitionId partition, std::string_view key, std::uint64_t letter) {
    hold_for_letter(partition, key, letter);
    queue_of(partition, key).has_record = false;
}

bool KeyTable::lacks(PartitionId partition, std::string_view key, Offset offset) {
    if (!has_room()) {
        return false;
    }
    const auto found = find(partition, key);
    if (found == keys_.end() || found->second.is_held) {
        return false;
    }
    const auto* const parked = found->second.find(offset);
    return parked != nullptr && !parked->item;
}

void KeyTable::keep(Item item) {
    const auto found = find(item.partition, item.key);
    auto* const parked = found == keys_.end() ? nullptr : found->second.find(item.offset);
    MILLRACE_ASSERT(parked != nullptr && !parked->item);
    parked->item = std::make_unique<Item>(std::move(item));
    kept_bytes_ += bytes_of(*parked);
}

std::optional<KeyTable::Parked> KeyTable::release(PartitionId partition, std::string_view key) {
    const auto found = find(partition, key);
    if (found == keys_.end()) {
        return std::nullopt;
    }
    found->second.has_record = false;
    return next_of(found);
}

std::optional<KeyTable::Parked> KeyTable::release_letter(PartitionId partition,
                                                         std::string_view key,
                                                         std::uint64_t letter) {
    const auto found = find(partition, key);
    if (found == keys_.end() || std::erase(found->second.letters, letter) == 0) {
        return std::nullopt;
    }
    return next_of(found);
}

std::optional<KeyTable::Parked> KeyTable::next_of(Queues::iterator found) {
    auto& queue = found->second;
    if (queue.has_record || !queue.letters.empty()) {
        return std::nullopt;
    }
    if (queue.size() == 0) {
        keys_.erase(found);
        return std::nullopt;
    }
    queue.is_held = false;
    queue.has_record = true;
    auto next = queue.pop();
    kept_bytes_ -= bytes_of(next);
    --parked_records_;
    parked_keys_ -= queue.size() == 0 ? 1U : 0U;
    return next;
}

void KeyTable::drop(PartitionId partition) {
    boost::unordered::erase_if(keys_, [&](const auto& entry) {
        if (entry.first.partition != partition) {
            return false;
        }
        parked_records_ -= entry.second.size();
        parked_keys_ -= entry.second.size() == 0 ? 0U : 1U;
        kept_bytes_ -= entry.second.kept_bytes();
        return true;
    });
}

std::uint32_t KeyTable::parked_behind(PartitionId partition, std::string_view key) const {
    const auto found = keys_.find(NameView{.partition = partition, .key = key});
    return found == keys_.end() ? 0 : static_cast<std::uint32_t>(found->second.size());
}

}  // namespace millrace::broker::delivery
