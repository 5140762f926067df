#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "broker/feed/feed_event.hpp"
#include "broker/odoo/mapping/mapping.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// Which rules of a mapping are stopped because Odoo does not let the user do what they ask: a
/// circuit of its own for each rule, so that the events of all others go on.
///
/// Promise:  one event of a stopped rule tries again after a second, then another after two, four
///           and so on up to `probe_interval_max`: what has failed to open the rule goes behind the
///           others. These are put off, and come back one after another, all within `spread_max`.
///           The rule is open again with the first one that is applied.
/// Threads:  one.
class RuleGates {
  public:
    static constexpr Duration probe_interval_min{std::chrono::seconds(1)};
    static constexpr Duration probe_interval_max{std::chrono::seconds(30)};
    /// What is put off comes back with this between one event and the next.
    static constexpr Duration spread{std::chrono::milliseconds(20)};
    static constexpr Duration spread_max{std::chrono::minutes(10)};

    using SessionOfShard = std::pair<ShardId, std::uint64_t>;
    struct PutOff {
        std::chrono::milliseconds delay{};
        std::string reason;
    };
    /// Nothing: the event may go; it may be the one that tries.
    [[nodiscard]] std::optional<PutOff> ask(const Rule& rule, const FeedRef& ref, SteadyTime now);
    /// Odoo has refused an event's user; the event is to be put off.
    [[nodiscard]] PutOff stop(const Rule& rule,
                              const FeedRef& ref,
                              SteadyTime now,
                              const std::string& reason);
    /// An event was applied. Who was told that the rule is stopped is to be told that it is not.
    [[nodiscard]] std::set<SessionOfShard> on_applied(const Rule& rule, const FeedRef& ref);
    /// An event has ended in another way, which says nothing about the rule.
    void on_ended(const Rule& rule, const FeedRef& ref, SteadyTime now);
    [[nodiscard]] bool is_stopped(const Rule& rule) const { return gates_.contains(&rule); }

  private:
    struct Gate {
        std::string reason;
        Duration interval{0};
        SteadyTime until{};
        std::optional<FeedRef> probe;
        Duration behind{0};  ///< of the next one that is put off, behind `until`
        std::set<SessionOfShard> told;
    };
    [[nodiscard]] static PutOff put_off(Gate& gate,
                                        const FeedRef& ref,
                                        SteadyTime now,
                                        Duration behind);
    /// Behind those that were put off before.
    [[nodiscard]] static PutOff queue(Gate& gate, const FeedRef& ref, SteadyTime now);

    std::map<const Rule*, Gate> gates_;  ///< of those that are stopped
};

}  // namespace millrace::broker::odoo
