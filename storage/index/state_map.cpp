#include "storage/index/state_map.hpp"

#include <algorithm>

#include "storage/index/index_rows.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t row_overhead_bytes = 96;

std::string stored_key(std::string_view key) {
    return std::string(state_prefix).append(key);
}

}  // namespace

void StateMap::set(std::string_view key, std::optional<std::string> value) {
    unsaved_bytes_ += row_overhead_bytes + key.size() + (value ? value->size() : 0);
    active_.insert_or_assign(std::string(key), std::move(value));
}

void StateMap::put(std::string_view key, std::string_view value) {
    set(key, std::string(value));
}

void StateMap::erase(std::string_view key) {
    set(key, std::nullopt);
}

const std::optional<std::string>* StateMap::find_changed(std::string_view key) const {
    for (const auto* layer : {&active_, &frozen_}) {
        if (const auto found = layer->find(key); found != layer->end()) {
            return &found->second;
        }
    }
    return nullptr;
}

Result<std::optional<std::string>> StateMap::load(std::string_view key) const {
    if (const auto* const changed = find_changed(key)) {
        return *changed;
    }
    return below_.load(stored_key(key));
}

StateMap::Layer StateMap::changed_with(std::string_view prefix, std::string_view from) const {
    Layer changed;
    for (const auto* layer : {&active_, &frozen_}) {
        for (auto at = layer->lower_bound(std::max(prefix, from));
             at != layer->end() && at->first.starts_with(prefix);
             ++at) {
            changed.insert(*at);  // the first one, of the younger layer, stays
        }
    }
    return changed;
}

Result<void> StateMap::visit(
    std::string_view prefix,
    std::string_view from,
    const std::function<bool(std::string_view, std::string_view)>& visit) const {
    const auto changed = changed_with(prefix, from);
    auto next = changed.begin();
    bool is_wanted = true;
    const auto visit_changed = [&] {
        is_wanted = !next->second || visit(next->first, *next->second);
        ++next;
    };
    MILLRACE_TRY(below_.visit(
        stored_key(prefix), stored_key(from), [&](std::string_view key, std::string_view value) {
            key.remove_prefix(state_prefix.size());
            while (is_wanted && next != changed.end() && next->first < key) {
                visit_changed();
            }
            if (is_wanted && next != changed.end() && next->first == key) {
                visit_changed();
            } else if (is_wanted) {
                is_wanted = visit(key, value);
            }
            return is_wanted;
        }));
    while (is_wanted && next != changed.end()) {
        visit_changed();
    }
    return ok();
}

void StateMap::freeze() {
    frozen_ = std::move(active_);
    active_.clear();
    unsaved_bytes_ = 0;
}

void StateMap::unfreeze() {
    active_.merge(frozen_);
    frozen_.clear();
}

void StateMap::add_frozen_to(KeyValueBatch& batch) const {
    for (const auto& [key, value] : frozen_) {
        if (value) {
            batch.put(stored_key(key), *value);
        } else {
            batch.erase(stored_key(key));
        }
    }
}

}  // namespace millrace::storage
