#include "tests/stand_ins/plant/plant.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

#include "tests/stand_ins/plant/plant_model.hpp"

namespace millrace::plant {
namespace {

constexpr std::size_t open_orders = 30;
constexpr Minute first_minute = 29'459'880;  // Monday 2026-01-05 06:00
constexpr Minute first_orders_spread = Minute{2} * 24 * 60;
constexpr UnixMicros micros_per_minute = 60'000'000;
constexpr double part_minutes_max = 420;
constexpr Minute late_report_minutes = 90;

}  // namespace

Plant::Plant(PlantOptions options) : options_(std::move(options)), random_(options_.seed) {
    if (options_.products.empty()) {
        options_.products.assign(model::products.begin(), model::products.end());
    }
    build_stations();
    now_ = first_minute;
    orders_.resize(open_orders);
    for (std::size_t slot = 0; slot < open_orders; ++slot) {
        open_order(slot, first_minute + static_cast<Minute>(random_.below(first_orders_spread)));
    }
}

std::size_t Plant::station_for(const model::Operation& operation, const std::string& machine) {
    const auto known = std::ranges::find(stations_, machine, &Station::machine);
    const auto number = static_cast<std::size_t>(known - stations_.begin());
    if (known == stations_.end()) {
        const std::string purpose(operation.name);
        stations_.push_back(
            {.machine = machine,
             .workcenter = operation.is_manual ? machine : machine + " - " + purpose});
    }
    return number;
}

void Plant::build_stations() {
    for (const model::Operation& operation : model::operations) {
        stations_of_.push_back(build_stations_for(operation));
    }
}

std::vector<std::size_t> Plant::build_stations_for(const model::Operation& operation) {
    std::vector<std::size_t> numbers;
    for (const std::string_view machine : operation.machines) {
        if (!machine.empty()) {
            numbers.push_back(station_for(operation, std::string(machine)));
        }
    }
    return numbers;
}

Event Plant::next() {
    while (ready_.empty()) {
        const Due due = due_.top();
        due_.pop();
        now_ = due.time;
        advance(due.order);
    }
    Event event = std::move(ready_.front());
    ready_.pop_front();
    return event;
}

void Plant::open_order(std::size_t slot, Minute from) {
    Order& order = orders_[slot];
    order = Order{.key = "WO-" + std::to_string(next_order_++)};
    order.product = random_.below(options_.products.size());
    order.quantity = order_quantity();
    order.good = order.quantity;
    order.route = model::route_of(order.product);
    if (random_.chance(model::rework_chance)) {
        order.route.insert(order.route.end() - 2, model::rework_operation);
    }
    due_.push({.time = ShiftCalendar::opening_from(from), .number = next_due_++, .order = slot});
}

void Plant::advance(std::size_t slot) {
    Order& order = orders_[slot];
    switch (order.phase) {
        case Phase::release:
            emit_move(order, "raw material store", "floor");
            find_station(slot);
            return;
        case Phase::setup:
            emit_step(order, 'S', 0, 0);
            emit_state(order, "running");
            plan_production(slot);
            return;
        case Phase::pause:
            emit_step(order, 'B', 0, 0);
            emit_state(order, "running");
            plan_production(slot);
            return;
        case Phase::production:
            report_production(order);
            break;
    }
    if (order.left == 0) {
        end_operation(slot);
    } else if (random_.chance(model::break_chance)) {
        emit_state(order, "stopped");
        plan(slot, Phase::pause, log_normal(model::break_minutes, 0.8));
    } else {
        plan_production(slot);
    }
}

void Plant::find_station(std::size_t slot) {
    Order& order = orders_[slot];
    const std::vector<std::size_t>& able = stations_of_[order.route[order.route_at]];
    const auto load = [this](std::size_t number) {
        return stations_[number].waiting.size() + (stations_[number].is_busy ? 1U : 0U);
    };
    order.station = *std::min_element(
        able.begin(), able.end(), [&](auto left, auto right) { return load(left) < load(right); });
    Station& station = stations_[order.station];
    if (station.is_busy) {
        station.waiting.push_back(slot);
        return;
    }
    begin_operation(slot);
}

void Plant::begin_operation(std::size_t slot) {
    Order& order = orders_[slot];
    const model::Operation& operation = model::operations.at(order.route[order.route_at]);
    stations_[order.station].is_busy = true;
    order.left = order.good;
    order.rejected = 0;
    if (operation.setup_minutes > 0 && random_.chance(model::setup_chance)) {
        emit_state(order, "setup");
        plan(slot, Phase::setup, log_normal(operation.setup_minutes, 0.7));
        return;
    }
    emit_state(order, "running");
    plan_production(slot);
}

void Plant::end_operation(std::size_t slot) {
    Order& order = orders_[slot];
    Station& station = stations_[order.station];
    emit_state(order, "idle");
    if (model::operations.at(order.route[order.route_at]).is_inspection) {
        inspect(order);
    }
    station.is_busy = false;
    if (!station.waiting.empty()) {
        const std::size_t next = station.waiting.front();
        station.waiting.pop_front();
        begin_operation(next);
    }
    const bool is_last = ++order.route_at == order.route.size() || order.good == 0;
    if (is_last) {
        emit_move(order, station.machine, order.good == 0 ? "scrap" : "finished goods");
        open_order(slot, now_ + static_cast<Minute>(log_normal(240, 1.0)));
        return;
    }
    const std::string from = station.machine;
    find_station(slot);
    emit_move(order, from, stations_[order.station].machine);
}

/// Reports whatever is due `minutes` of work from now. Who works close to the end of a shift often
/// reports when it ends, so that many reports come at once.
void Plant::plan(std::size_t slot, Phase phase, double minutes) {
    Order& order = orders_[slot];
    order.phase = phase;
    const Minute whole = std::max<Minute>(1, std::llround(minutes));
    order.minutes = static_cast<double>(whole);
    Minute time = ShiftCalendar::after(now_, whole);
    if (ShiftCalendar::is_open(time)) {
        const Minute end = ShiftCalendar::end_of_shift(time);
        const bool is_late = end - time <= late_report_minutes;
        time = is_late && random_.chance(model::late_report_chance) ? end : time;
    }
    due_.push({.time = time, .number = next_due_++, .order = slot});
}

/// The next part of the operation: what is left, or what fits into most of a shift.
void Plant::plan_production(std::size_t slot) {
    Order& order = orders_[slot];
    const model::Operation& operation = model::operations.at(order.route[order.route_at]);
    const double per_piece = operation.minutes_per_piece * log_normal(1.0, 0.4);
    const double longest = part_minutes_max * (0.25 + 0.75 * random_.unit());
    const double fitting = std::clamp(std::floor(longest / per_piece), 1.0, 1e6);
    order.part = std::min(order.left, static_cast<std::uint32_t>(fitting));
    plan(slot, Phase::production, order.part * per_piece);
}

void Plant::report_production(Order& order) {
    std::uint32_t rejected = 0;
    if (random_.chance(model::reject_chance)) {
        rejected = 1 + static_cast<std::uint32_t>(random_.below((order.part + 9) / 10));
    }
    rejected = std::min(rejected, order.part);
    order.left -= order.part;
    order.good -= rejected;
    order.rejected += rejected;
    emit_step(order, 'D', order.part - rejected, rejected);
}

void Plant::inspect(Order& order) {
    emit(order.key,
         order.quality_sequence++,
         QualityResult{.product = options_.products[order.product],
                       .workcenter = stations_[order.station].workcenter,
                       .inspector = worker_of(order.station),
                       .inspected = order.good + order.rejected,
                       .rejected = order.rejected});
}

void Plant::emit(const std::string& key, std::uint64_t sequence, decltype(Event::value) value) {
    ready_.push_back(
        {.key = key,
         .id = "plant-" + std::to_string(options_.seed) + "-" + std::to_string(next_event_++),
         .time_us = now_ * micros_per_minute,
         .sequence = sequence,
         .value = std::move(value)});
}

void Plant::emit_step(Order& order, char report, std::uint32_t quantity, std::uint32_t rejected) {
    const Station& station = stations_[order.station];
    const model::Operation& operation = model::operations.at(order.route[order.route_at]);
    const std::string name(operation.name);
    emit(order.key,
         order.step_sequence++,
         WorkStep{.product = options_.products[order.product],
                  .work_order_quantity = order.quantity,
                  .operation = operation.is_manual ? name : name + " - " + station.machine,
                  .workcenter = station.workcenter,
                  .worker = worker_of(order.station),
                  .report = report,
                  .quantity = quantity,
                  .rejected = rejected,
                  .minutes = order.minutes});
}

void Plant::emit_state(const Order& order, const char* state) {
    const std::string& machine = stations_[order.station].machine;
    emit(machine,
         machine_sequences_[machine]++,
         MachineState{.machine = machine, .state = state, .work_order = order.key});
}

void Plant::emit_move(const Order& order, const std::string& from, const std::string& to) {
    emit(to,
         move_sequences_[to]++,
         StockMove{.work_order = order.key,
                   .product = options_.products[order.product],
                   .quantity = order.good,
                   .from = from,
                   .to = to});
}

std::uint32_t Plant::order_quantity() {
    constexpr double smallest = 1;
    constexpr double largest = 2000;
    const double size = log_normal(model::order_median, model::order_sigma);
    return static_cast<std::uint32_t>(std::clamp(std::round(size), smallest, largest));
}

/// By Box and Muller.
double Plant::log_normal(double median, double sigma) {
    const double radius = std::sqrt(-2 * std::log(1 - random_.unit()));
    return median * std::exp(sigma * radius * std::cos(2 * std::numbers::pi * random_.unit()));
}

/// One and the same person at a station for a whole shift.
std::string Plant::worker_of(std::size_t station) const {
    Random draw(options_.seed ^ (ShiftCalendar::shift_number(now_ - 1) * 64 + station));
    return std::string(model::workers.at(draw.below(model::workers.size())));
}

}  // namespace millrace::plant
