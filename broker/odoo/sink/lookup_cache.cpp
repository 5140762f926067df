#include "broker/odoo/sink/lookup_cache.hpp"

#include <utility>

namespace millrace::broker::odoo {

std::optional<nlohmann::json> LookupCache::find(const std::string& key) {
    const auto known = entries_.find(key);
    if (known == entries_.end()) {
        return std::nullopt;
    }
    const auto entry = known->second;
    if (entry->until <= clock_.steady_now()) {
        used_.erase(entry);
        entries_.erase(known);
        return std::nullopt;
    }
    used_.splice(used_.begin(), used_, entry);
    return entry->found;
}

void LookupCache::store(const std::string& key, nlohmann::json found, Duration keep) {
    if (const auto known = entries_.find(key); known != entries_.end()) {
        used_.erase(known->second);
        entries_.erase(known);
    }
    if (keep <= Duration::zero() || entries_max_ == 0) {
        return;
    }
    used_.push_front({.key = key, .found = std::move(found), .until = clock_.steady_now() + keep});
    entries_[key] = used_.begin();
    if (entries_.size() > entries_max_) {
        entries_.erase(used_.back().key);
        used_.pop_back();
    }
}

void LookupCache::forget(const std::string& key, const nlohmann::json& found) {
    const auto known = entries_.find(key);
    if (known != entries_.end() && known->second->found == found) {
        used_.erase(known->second);
        entries_.erase(known);
    }
}

void LookupCache::forget_model(const std::string& model) {
    forget_if(model, [](const Entry&) { return true; });
}

void LookupCache::forget_missing_of(const std::string& model) {
    forget_if(model, [](const Entry& entry) { return entry.found.is_null(); });
}

template <typename IsMeant>
void LookupCache::forget_if(const std::string& model, IsMeant is_meant) {
    const auto begin = lookup_key(model, "");
    for (auto known = entries_.lower_bound(begin);
         known != entries_.end() && known->first.starts_with(begin);) {
        if (is_meant(*known->second)) {
            used_.erase(known->second);
            known = entries_.erase(known);
        } else {
            ++known;
        }
    }
}

}  // namespace millrace::broker::odoo
