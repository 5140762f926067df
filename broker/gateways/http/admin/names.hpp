#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/delivery/jobs/jobs.hpp"
#include "broker/delivery/letters/letter_groups.hpp"
#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker::http {

/// What the values of an enumeration are called at this door, and by the command-line tool.
template <class Enum, std::size_t Count>
using Names = std::array<std::pair<std::string_view, Enum>, Count>;

inline constexpr Names<Criticality, 3> criticality_names{{{"bulk", Criticality::bulk},
                                                          {"standard", Criticality::standard},
                                                          {"critical", Criticality::critical}}};
inline constexpr Names<Durability, 2> durability_names{
    {{"majority", Durability::majority}, {"leader", Durability::leader}}};
inline constexpr Names<Lifecycle, 4> lifecycle_names{{{"draft", Lifecycle::draft},
                                                      {"active", Lifecycle::active},
                                                      {"deprecated", Lifecycle::deprecated},
                                                      {"retired", Lifecycle::retired}}};
inline constexpr Names<Order, 2> order_names{{{"key", Order::key}, {"none", Order::none}}};
inline constexpr Names<DeadLetterRule, 2> dead_letter_names{
    {{"keep", DeadLetterRule::keep}, {"drop", DeadLetterRule::drop}}};
inline constexpr Names<ExpiredRule, 2> expired_names{
    {{"drop", ExpiredRule::drop}, {"dead-letter", ExpiredRule::dead_letter}}};
inline constexpr Names<delivery::Cause, 8> cause_names{
    {{"transient", delivery::Cause::transient},
     {"outage", delivery::Cause::outage},
     {"authorization", delivery::Cause::authorization},
     {"mapping", delivery::Cause::mapping},
     {"outcome-unknown", delivery::Cause::outcome_unknown},
     {"configuration", delivery::Cause::configuration},
     {"poison", delivery::Cause::poison},
     {"expired", delivery::Cause::expired}}};
inline constexpr Names<delivery::LetterState, 4> letter_state_names{
    {{"open", delivery::LetterState::open},
     {"redriven", delivery::LetterState::redriven},
     {"resolved", delivery::LetterState::resolved},
     {"discarded", delivery::LetterState::discarded}}};
inline constexpr Names<delivery::LetterGroupBy, 5> letter_group_names{
    {{"cause", delivery::LetterGroupBy::cause},
     {"error", delivery::LetterGroupBy::error},
     {"key", delivery::LetterGroupBy::key},
     {"topic", delivery::LetterGroupBy::topic},
     {"state", delivery::LetterGroupBy::state}}};
inline constexpr Names<delivery::JobKind, 2> job_kind_names{
    {{"replay", delivery::JobKind::replay}, {"redrive", delivery::JobKind::redrive}}};
inline constexpr Names<delivery::JobState, 5> job_state_names{
    {{"running", delivery::JobState::running},
     {"paused", delivery::JobState::paused},
     {"done", delivery::JobState::done},
     {"failed", delivery::JobState::failed},
     {"cancelled", delivery::JobState::cancelled}}};
inline constexpr Names<delivery::ReplayBy, 2> replay_by_names{
    {{"append", delivery::ReplayBy::append}, {"event", delivery::ReplayBy::event}}};

template <class Enum, std::size_t Count>
[[nodiscard]] std::string_view name_in(const Names<Enum, Count>& names, Enum value) {
    for (const auto& [name, candidate] : names) {
        if (candidate == value) {
            return name;
        }
    }
    return "none";
}
template <class Enum, std::size_t Count>
[[nodiscard]] std::optional<Enum> find_named(const Names<Enum, Count>& names,
                                             std::string_view text) {
    for (const auto& [name, value] : names) {
        if (name == text) {
            return value;
        }
    }
    return std::nullopt;
}
template <class Enum, std::size_t Count>
[[nodiscard]] std::vector<std::string_view> words_of(const Names<Enum, Count>& names) {
    std::vector<std::string_view> words;
    for (const auto& [name, value] : names) {
        words.push_back(name);
    }
    return words;
}

}  // namespace millrace::broker::http
