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
    return std::ranges::any_of(rules_, [](const Rule& rule) {
        return std::ranges::any_of(rule.steps,
                                   [](const Step& step) { return step.proof == Proof::ledger; });
    });
}

}  // namespace millrace::broker::odoo
