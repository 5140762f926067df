#include "broker/odoo/sink/stations.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "broker/odoo/plan/calls.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t scanned_max = 2'000;  ///< of a queue, for a batch
constexpr std::size_t lookup_shared_max = 1'000;
constexpr std::chrono::seconds gather_max{
    1};  ///< a part of a batch lets nearer events pass so long

std::string kind_of(const Step& step) {
    if (step.proof == Proof::ledger) {
        return "ledger";
    }
    switch (step.action) {
        case Action::upsert:
            return step.model + " load";
        case Action::lookup:
            return step.model + " lookup";
        case Action::call:
            return step.model + " " + step.method;
        default:
            return step.model + " " + std::string(name_of(step.action));
    }
}

/// Steps of one key share calls.
std::string key_of(const Step& step) {
    const auto pace =
        std::to_string(step.batch_records_max) + "|" + std::to_string(step.linger.count());
    auto key = kind_of(step);
    if (step.proof == Proof::ledger) {
        return key + "|" + pace;
    }
    if (step.action == Action::upsert) {
        key += columns_of(step).dump();
    }
    return key + step.expect.dump() + "|" + pace;
}

std::size_t batch_of(const Step& step, const StationLimits& limits) {
    if (step.action == Action::lookup) {
        return lookup_shared_max;
    }
    if (step.batch_records_max != 0) {
        return step.batch_records_max;
    }
    const bool is_business = step.proof == Proof::ledger || step.action == Action::call;
    return is_business ? limits.business_batch_records_max : limits.batch_records_max;
}

const std::vector<std::string>& records_of(const Flow& flow) {
    return flow.current().proof == Proof::ledger ? flow.entry.records : flow.work.records;
}

/// Lanes are for what writes: a lookup neither waits for one nor keeps others waiting.
bool only_reads(const Flow& flow) {
    return flow.current().action == Action::lookup;
}

bool is_any_in(const Flow& flow, const std::set<std::string>& names) {
    const auto is_named = [&](const std::string& name) { return names.contains(name); };
    return std::ranges::any_of(flow.lanes, is_named) ||
           std::ranges::any_of(records_of(flow), is_named);
}

void add_names(const Flow& flow, std::set<std::string>& names) {
    if (!only_reads(flow)) {
        names.insert(flow.lanes.begin(), flow.lanes.end());
        names.insert(records_of(flow).begin(), records_of(flow).end());
    }
}

void add_names(const std::vector<FlowPtr>& flows, std::set<std::string>& names) {
    for (const auto& flow : flows) {
        add_names(*flow, names);
    }
}

/// The first of its steps says how a station is.
void set_up(Station& station, const Step& step, const StationLimits& limits) {
    if (station.step != nullptr) {
        return;
    }
    station.step = &step;
    station.is_ledger = step.proof == Proof::ledger;
    station.kind = kind_of(step);
    station.batch_records_max = batch_of(step, limits);
    station.linger = step.linger;
}

}  // namespace

Stations::Stations(StationLimits limits, const Mapping& mapping) : limits_(limits) {
    for (const auto& rule : mapping.rules()) {
        for (const auto& step : rule.steps) {
            // What a lookup reads, how it finds and how long that is believed are each step's own.
            const auto own =
                step.action == Action::lookup ? "|" + std::to_string(of_step_.size()) : "";
            auto& station = stations_[key_of(step) + own];
            set_up(station, step, limits_);
            of_step_[&step] = &station;
        }
    }
}

Station& Stations::station_of(const Step& step) {
    return *of_step_.at(&step);
}

void Stations::add(FlowPtr flow, SteadyTime now) {
    auto& station = station_of(flow->current());
    station.queue.push_back({.flow = std::move(flow), .since = now});
}

void Stations::add_again(Station& station, std::vector<FlowPtr> flows) {
    again_.push_back({.station = &station, .flows = std::move(flows)});
}

std::size_t Stations::waiting() const {
    std::size_t count = 0;
    for (const auto& [key, station] : stations_) {
        count += station.queue.size();
    }
    for (const auto& again : again_) {
        count += again.flows.size();
    }
    return count;
}

bool Stations::is_free(const Flow& flow) const {
    if (only_reads(flow)) {
        return true;
    }
    const auto is_held = [this](const std::string& name) { return locks_.is_held(name); };
    return std::ranges::none_of(flow.lanes, is_held) &&
           std::ranges::none_of(records_of(flow), is_held);
}

void Stations::lock(const Flow& flow, Batch& batch) const {
    if (only_reads(flow)) {
        return;
    }
    for (const auto& lane : flow.lanes) {
        batch.locks.add(lane);
    }
    for (const auto& record : records_of(flow)) {
        batch.locks.add(record);
    }
}

BatchPtr Stations::take_again() {
    std::set<std::string> wanted;  // by those that have waited longer
    for (auto again = again_.begin(); again != again_.end(); ++again) {
        const bool may_go = std::ranges::all_of(again->flows, [&](const FlowPtr& flow) {
            return is_free(*flow) && (only_reads(*flow) || !is_any_in(*flow, wanted));
        });
        if (!may_go) {
            add_names(again->flows, wanted);
            continue;
        }
        auto batch = std::make_shared<Batch>();
        batch->station = again->station;
        batch->locks = locks_.guard();
        batch->flows = std::move(again->flows);
        again_.erase(again);
        for (const auto& flow : batch->flows) {
            lock(*flow, *batch);
        }
        return batch;
    }
    return nullptr;
}

BatchPtr Stations::gather(Station& station) {
    auto batch = std::make_shared<Batch>();
    batch->station = &station;
    batch->locks = locks_.guard();
    std::set<std::string> records;
    std::set<std::string> wanted;  // what goes again would wait for ever if others took its names
    for (const auto& again : again_) {
        add_names(again.flows, wanted);
    }
    std::size_t scanned = 0;
    std::vector<std::list<Station::Waiting>::iterator> chosen;
    for (auto at = station.queue.begin(); at != station.queue.end() && scanned < scanned_max &&
                                          chosen.size() < station.batch_records_max;
         ++at, ++scanned) {
        const auto& flow = *at->flow;
        const bool travels_alone = flow.tries > limits_.attempts_in_company_max;
        if (travels_alone && !chosen.empty()) {
            break;
        }
        const bool is_other = !chosen.empty() && !station.is_ledger &&
                              flow.work.group != (*chosen.front()).flow->work.group;
        const bool is_repeat = std::ranges::any_of(
            records_of(flow), [&](const std::string& name) { return records.contains(name); });
        const bool is_wanted = !only_reads(flow) && is_any_in(flow, wanted);
        if (is_other || is_repeat || is_wanted || !is_free(flow)) {
            continue;
        }
        records.insert(records_of(flow).begin(), records_of(flow).end());
        chosen.push_back(at);
        if (travels_alone) {
            break;
        }
    }
    for (const auto at : chosen) {
        lock(*at->flow, *batch);
        batch->flows.push_back(std::move(at->flow));
        station.queue.erase(at);
    }
    return batch->flows.empty() ? nullptr : batch;
}

/// Whether a call is worth it by now: much may travel, or something that may has waited for long.
bool Stations::is_ripe(const Station& station, SteadyTime now) const {
    std::size_t free = 0;
    std::size_t scanned = 0;
    return std::ranges::any_of(station.queue, [&](const auto& one) {
        return scanned++ < scanned_max && is_free(*one.flow) &&
               (++free >= station.batch_records_max || now - one.since >= gather_max);
    });
}

BatchPtr Stations::take(SteadyTime now) {
    if (auto batch = take_again()) {
        return batch;
    }
    struct Ready {
        Station* station = nullptr;
        bool is_ripe = false;
    };
    std::vector<Ready> ready;
    for (auto& [key, station] : stations_) {
        const bool is_ready =
            !station.queue.empty() && (station.queue.size() >= station.batch_records_max ||
                                       now - station.queue.front().since >= station.linger);
        if (is_ready) {
            ready.push_back({.station = &station, .is_ripe = is_ripe(station, now)});
        }
    }
    std::ranges::sort(ready, [](const Ready& one, const Ready& two) {
        if (one.is_ripe != two.is_ripe) {
            return one.is_ripe;
        }
        const auto distance = one.station->queue.front().flow->step;
        const auto other = two.station->queue.front().flow->step;
        if (distance == other) {
            return one.station->last_turn < two.station->last_turn;
        }
        // What is behind fills up what is ahead: were the furthest always first, an event that
        // comes through a slow step alone would stay alone in every call that follows.
        return one.is_ripe ? distance > other : distance < other;
    });
    for (const auto& [station, is_ripe] : ready) {
        if (auto batch = gather(*station)) {
            station->last_turn = ++turn_;
            return batch;
        }
    }
    return nullptr;
}

std::optional<SteadyTime> Stations::next_ready(SteadyTime now) const {
    std::optional<SteadyTime> next;
    for (const auto& [key, station] : stations_) {
        if (station.queue.empty()) {
            continue;
        }
        const auto at = station.queue.front().since + station.linger;
        if (at > now && (!next || at < *next)) {
            next = at;
        }
    }
    return next;
}

}  // namespace millrace::broker::odoo
