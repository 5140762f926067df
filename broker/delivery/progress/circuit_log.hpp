#pragma once

#include <deque>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "broker/delivery/subscriptions.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

/// Of the rows, before the number of the subscription.
inline constexpr std::string_view circuit_prefix = "k/";

/// When the circuit of a subscription has opened and closed on this shard, and why: what is left of
/// it after a restart. Probes are not among them.
///
/// Threads:  the shard's.
class CircuitLog {
  public:
    /// In `apply` only.
    void add(CircuitChange change);
    /// The newest last, at most `changes_max`.
    [[nodiscard]] const std::deque<CircuitChange>& changes() const { return changes_; }
    /// The row that a checkpoint keeps; empty where nothing has changed since the last call.
    [[nodiscard]] std::string take_row();
    /// Errors: corrupt; there are no changes then.
    [[nodiscard]] Result<void> restore(std::string_view row);

    static constexpr std::size_t changes_max = circuit_changes_max;

  private:
    std::deque<CircuitChange> changes_;
    bool is_changed_ = false;
};

// Throw nlohmann::json::exception.
[[nodiscard]] nlohmann::json to_json(const CircuitChange& change);
[[nodiscard]] CircuitChange circuit_change_from(const nlohmann::json& json);

}  // namespace millrace::broker::delivery
