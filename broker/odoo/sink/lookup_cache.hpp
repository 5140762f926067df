#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// What lookups found, for a while; also that they found nothing.
///
/// Promise:  at most `entries_max`; the one used longest ago goes first.
/// Threads:  one.
class LookupCache {
  public:
    LookupCache(std::size_t entries_max, const Clock& clock)
        : entries_max_(entries_max), clock_(clock) {}

    /// Null: known to find nothing. Nothing: not known, or not any more.
    [[nodiscard]] std::optional<nlohmann::json> find(const std::string& key);
    void store(const std::string& key, nlohmann::json found, Duration keep);
    /// Forgets what was found so; what has been found since stays.
    void forget(const std::string& key, const nlohmann::json& found);
    /// Forgets what was found of a model: one of its records is not there any more.
    void forget_model(const std::string& model);
    /// Forgets what was not found of a model: a record has come to it.
    void forget_missing_of(const std::string& model);
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::string key;
        nlohmann::json found;
        SteadyTime until;
    };
    template <typename IsMeant>
    void forget_if(const std::string& model, IsMeant is_meant);

    std::size_t entries_max_;
    const Clock& clock_;
    std::list<Entry> used_;  ///< the last one used first
    std::map<std::string, std::list<Entry>::iterator> entries_;
};

/// Keys begin with the model, so that a model can be forgotten.
[[nodiscard]] inline std::string lookup_key(const std::string& model, const std::string& what) {
    return model + "|" + what;
}

}  // namespace millrace::broker::odoo
