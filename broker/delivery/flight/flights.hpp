#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "broker/delivery/flight/item.hpp"
#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

/// Records that consumers have and have not settled, by their deliveries and by their deadlines, of
/// which there are few: the engine's are whole ticks.
///
/// Threads:  the shard's.
class Flights {
  public:
    struct Flight {
        SessionId session = 0;
        Item item;
        SteadyTime deadline{};
        bool has_permit = false;
    };

    void add(std::uint64_t delivery, Flight flight);
    /// Null when the delivery has ended.
    [[nodiscard]] const Flight* find(std::uint64_t delivery) const;
    [[nodiscard]] std::optional<Flight> take(std::uint64_t delivery);
    /// Never earlier than before.
    void extend(std::uint64_t delivery, SteadyTime deadline);
    /// Those that are wanted, the oldest delivery first.
    [[nodiscard]] std::vector<Flight> take_if(const std::function<bool(const Flight&)>& is_wanted);
    /// From now on all have a permit; how many had none.
    [[nodiscard]] std::uint32_t take_permits();
    [[nodiscard]] std::vector<std::uint64_t> late(SteadyTime now) const;
    [[nodiscard]] std::optional<SteadyTime> next_deadline() const;
    [[nodiscard]] std::size_t size() const { return by_delivery_.size(); }

  private:
    /// Deliveries with one deadline, of which those that were extended or taken are left in.
    struct Due {
        std::vector<std::uint64_t> deliveries;
        std::size_t left = 0;
    };
    void join(SteadyTime deadline, std::uint64_t delivery);
    void leave(SteadyTime deadline);

    boost::unordered_flat_map<std::uint64_t, Flight> by_delivery_;
    std::map<SteadyTime, Due> by_deadline_;  ///< without those that have none left
};

}  // namespace millrace::broker::delivery
