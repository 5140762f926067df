#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/odoo/sink/flow.hpp"
#include "broker/odoo/sink/lock_table.hpp"

namespace millrace::broker::odoo {

/// Where events wait that can share calls: steps that ask the same of the same model.
struct Station {
    const Step* step = nullptr;
    bool is_ledger = false;
    std::string kind;  ///< for metrics and latencies
    std::size_t batch_records_max = 1;
    Duration linger{0};
    struct Waiting {
        FlowPtr flow;
        SteadyTime since;
    };
    std::list<Waiting> queue;
    std::uint64_t last_turn = 0;
};

/// Events of one station that go in one call, with what the call must have for itself.
struct Batch {
    Station* station = nullptr;
    std::vector<FlowPtr> flows;
    LockTable::Guard locks;
    SteadyTime began{};  ///< of the call under way
    /// Of a call that is read back: it has been made. Of the ledger: its action was looked up
    /// again.
    bool is_called = false;
};
using BatchPtr = std::shared_ptr<Batch>;

struct StationLimits {
    std::size_t batch_records_max = 100;
    std::size_t business_batch_records_max = 10;
    /// Failures after which an event travels alone, so that it cannot spoil others.
    std::uint32_t attempts_in_company_max = 3;
};

/// All stations of a mapping, and who goes next.
///
/// Promise:  no two batches under way share a lane or a record. Batches that are full or have
///           waited for a second go first, of those the furthest, so that what was begun ends; then
///           the nearest, so that the others fill. Stations of the same distance take turns.
/// Threads:  one.
class Stations {
  public:
    Stations(StationLimits limits, const Mapping& mapping);

    void add(FlowPtr flow, SteadyTime now);
    /// Events that go again, before others of their station.
    void add_again(Station& station, std::vector<FlowPtr> flows);
    /// A batch that may start now.
    [[nodiscard]] BatchPtr take(SteadyTime now);
    /// When a station that waits for more events has waited long enough.
    [[nodiscard]] std::optional<SteadyTime> next_ready(SteadyTime now) const;
    [[nodiscard]] std::size_t waiting() const;
    [[nodiscard]] const LockTable& locks() const { return locks_; }

  private:
    struct Again {
        Station* station = nullptr;
        std::vector<FlowPtr> flows;
    };
    [[nodiscard]] Station& station_of(const Step& step);
    [[nodiscard]] bool is_free(const Flow& flow) const;
    void lock(const Flow& flow, Batch& batch) const;
    [[nodiscard]] bool is_ripe(const Station& station, SteadyTime now) const;
    [[nodiscard]] BatchPtr take_again();
    [[nodiscard]] BatchPtr gather(Station& station);

    StationLimits limits_;
    std::map<std::string, Station> stations_;
    std::map<const Step*, Station*> of_step_;
    std::list<Again> again_;
    LockTable locks_;
    std::uint64_t turn_ = 0;
};

}  // namespace millrace::broker::odoo
