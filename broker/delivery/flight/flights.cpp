#include "broker/delivery/flight/flights.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::delivery {

void Flights::add(std::uint64_t delivery, Flight flight) {
    join(flight.deadline, delivery);
    by_delivery_.emplace(delivery, std::move(flight));
}

void Flights::join(SteadyTime deadline, std::uint64_t delivery) {
    auto& due = by_deadline_[deadline];
    due.deliveries.push_back(delivery);
    ++due.left;
}

void Flights::leave(SteadyTime deadline) {
    const auto due = by_deadline_.find(deadline);
    if (--due->second.left == 0) {
        by_deadline_.erase(due);
    }
}

const Flights::Flight* Flights::find(std::uint64_t delivery) const {
    const auto found = by_delivery_.find(delivery);
    return found == by_delivery_.end() ? nullptr : &found->second;
}

std::optional<Flights::Flight> Flights::take(std::uint64_t delivery) {
    const auto found = by_delivery_.find(delivery);
    if (found == by_delivery_.end()) {
        return std::nullopt;
    }
    leave(found->second.deadline);
    std::optional flight = std::move(found->second);
    by_delivery_.erase(found);
    return flight;
}

void Flights::extend(std::uint64_t delivery, SteadyTime deadline) {
    const auto found = by_delivery_.find(delivery);
    if (found == by_delivery_.end() || found->second.deadline >= deadline) {
        return;
    }
    leave(found->second.deadline);
    join(deadline, delivery);
    found->second.deadline = deadline;
}

std::vector<Flights::Flight> Flights::take_if(const std::function<bool(const Flight&)>& is_wanted) {
    std::vector<std::uint64_t> wanted;
    for (const auto& [delivery, flight] : by_delivery_) {
        if (is_wanted(flight)) {
            wanted.push_back(delivery);
        }
    }
    std::ranges::sort(wanted);
    std::vector<Flight> taken;
    taken.reserve(wanted.size());
    for (const auto delivery : wanted) {
        taken.push_back(*take(delivery));
    }
    return taken;
}

std::uint32_t Flights::take_permits() {
    std::uint32_t count = 0;
    for (auto& [delivery, flight] : by_delivery_) {
        count += std::exchange(flight.has_permit, true) ? 0U : 1U;
    }
    return count;
}

std::vector<std::uint64_t> Flights::late(SteadyTime now) const {
    std::vector<std::uint64_t> found;
    for (auto at = by_deadline_.begin(); at != by_deadline_.end() && at->first <= now; ++at) {
        for (const auto delivery : at->second.deliveries) {
            const auto* const flight = find(delivery);
            if (flight != nullptr && flight->deadline == at->first) {
                found.push_back(delivery);
            }
        }
    }
    return found;
}

std::optional<SteadyTime> Flights::next_deadline() const {
    return by_deadline_.empty() ? std::nullopt : std::optional(by_deadline_.begin()->first);
}

}  // namespace millrace::broker::delivery
