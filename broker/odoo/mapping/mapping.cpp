#include "broker/odoo/mapping/mapping.hpp"

#include <algorithm>
#include <array>

#include "client/wire/topic_pattern.hpp"

namespace millrace::broker::odoo {

std::string_view name_of(Action action) noexcept {
    constexpr std::array<std::string_view, 5> names{"upsert", "lookup", "create", "write", "call"};
    return names[static_cast<std::size_t>(action)];
}

std::string Step::label() const {
    return !name.empty() ? name : !method.empty() ? method : std::string(name_of(action));
}

const Rule* Mapping::rule_of(std::string_view topic) const {
    const auto rule = std::ranges::find_if(rules_, [&](const Rule& one) {
        return std::ranges::any_of(
            one.topics, [&](const std::string& pattern) { return wire::is_match(pattern, topic); });
    });
    return rule == rules_.end() ? nullptr : &*rule;
}

bool Mapping::has_ledger() const {
    return !ledger_topics().empty();
}

std::vector<std::string> Mapping::ledger_topics() const {
    std::vector<std::string> topics;
    for (const auto& rule : rules_) {
        if (std::ranges::find(rule.steps, Proof::ledger, &Step::proof) != rule.steps.end()) {
            topics.insert(topics.end(), rule.topics.begin(), rule.topics.end());
        }
    }
    return topics;
}

}  // namespace millrace::broker::odoo
