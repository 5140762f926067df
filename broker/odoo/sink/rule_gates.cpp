#include "broker/odoo/sink/rule_gates.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::odoo {

RuleGates::PutOff RuleGates::put_off(Gate& gate,
                                     const FeedRef& ref,
                                     SteadyTime now,
                                     Duration behind) {
    const auto wait = std::max(gate.until - now, Duration(probe_interval_min)) + behind;
    gate.told.insert({ref.shard, ref.session});
    return {.delay = std::chrono::ceil<std::chrono::milliseconds>(wait), .reason = gate.reason};
}

RuleGates::PutOff RuleGates::queue(Gate& gate, const FeedRef& ref, SteadyTime now) {
    const auto behind = gate.behind;
    gate.behind = std::min(gate.behind + spread, Duration(spread_max));
    return put_off(gate, ref, now, behind);
}

std::optional<RuleGates::PutOff> RuleGates::ask(const Rule& rule,
                                                const FeedRef& ref,
                                                SteadyTime now) {
    const auto found = gates_.find(&rule);
    if (found == gates_.end()) {
        return std::nullopt;
    }
    auto& gate = found->second;
    if (!gate.probe && gate.until <= now) {
        gate.probe = ref;
        return std::nullopt;
    }
    return queue(gate, ref, now);
}

RuleGates::PutOff RuleGates::stop(const Rule& rule,
                                  const FeedRef& ref,
                                  SteadyTime now,
                                  const std::string& reason) {
    const auto [found, is_new] = gates_.try_emplace(&rule);
    auto& gate = found->second;
    gate.reason = reason;
    // Those that were on their way when the rule was stopped say nothing new.
    if (!is_new && gate.probe != ref) {
        return queue(gate, ref, now);
    }
    gate.interval = is_new ? Duration(probe_interval_min)
                           : std::min(gate.interval * 2, Duration(probe_interval_max));
    gate.until = now + gate.interval;
    gate.probe.reset();
    if (is_new) {
        return queue(gate, ref, now);
    }
    // It may be refused for what it alone asks, so another one tries next.
    const auto behind = std::max(std::exchange(gate.behind, Duration{0}), Duration(spread));
    return put_off(gate, ref, now, behind);
}

std::set<RuleGates::SessionOfShard> RuleGates::on_applied(const Rule& rule, const FeedRef& ref) {
    const auto found = gates_.find(&rule);
    if (found == gates_.end() || found->second.probe != ref) {
        return {};
    }
    auto told = std::move(found->second.told);
    gates_.erase(found);
    return told;
}

void RuleGates::on_ended(const Rule& rule, const FeedRef& ref, SteadyTime now) {
    const auto found = gates_.find(&rule);
    if (found != gates_.end() && found->second.probe == ref) {
        found->second.probe.reset();
        found->second.until = now;
    }
}

}  // namespace millrace::broker::odoo
