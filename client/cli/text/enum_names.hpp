#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "millrace/admin.hpp"

namespace millrace::cli {

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
inline constexpr Names<Compression, 3> compression_names{
    {{"none", Compression::none}, {"lz4", Compression::lz4}, {"zstd", Compression::zstd}}};
inline constexpr Names<Order, 2> order_names{{{"key", Order::by_key}, {"none", Order::none}}};
inline constexpr Names<Circuit, 3> circuit_names{
    {{"closed", Circuit::closed}, {"open", Circuit::open}, {"half-open", Circuit::half_open}}};
inline constexpr Names<Cause, 8> cause_names{{{"transient", Cause::transient},
                                              {"outage", Cause::outage},
                                              {"authorization", Cause::authorization},
                                              {"mapping", Cause::mapping},
                                              {"outcome-unknown", Cause::outcome_unknown},
                                              {"configuration", Cause::configuration},
                                              {"poison", Cause::poison},
                                              {"expired", Cause::expired}}};
inline constexpr Names<DeadLetterRule, 2> dead_letter_rule_names{
    {{"keep", DeadLetterRule::keep}, {"drop", DeadLetterRule::drop}}};
inline constexpr Names<ExpiredRule, 2> expired_rule_names{
    {{"drop", ExpiredRule::drop}, {"dead-letter", ExpiredRule::dead_letter}}};
inline constexpr Names<LetterState, 4> letter_state_names{{{"open", LetterState::open},
                                                           {"redriven", LetterState::redriven},
                                                           {"resolved", LetterState::resolved},
                                                           {"discarded", LetterState::discarded}}};
inline constexpr Names<ClusterMember, 3> cluster_member_names{{{"spare", ClusterMember::spare},
                                                               {"standby", ClusterMember::standby},
                                                               {"voter", ClusterMember::voter}}};

/// What a value is called; "unknown" for one that a newer broker may send, "none" for
/// `Cause::none`.
template <class Enum, std::size_t Count>
[[nodiscard]] std::string name_of(const Names<Enum, Count>& names, Enum value) {
    for (const auto& [name, candidate] : names) {
        if (candidate == value) {
            return std::string(name);
        }
    }
    return static_cast<unsigned>(value) == 0 ? "none" : "unknown";
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

}  // namespace millrace::cli
