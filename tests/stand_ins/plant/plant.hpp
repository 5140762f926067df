#pragma once

#include <cstdint>
#include <deque>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/stand_ins/plant/event.hpp"
#include "tests/stand_ins/plant/shift_calendar.hpp"

#include "storage/base/random.hpp"

namespace millrace::plant {
namespace model {
struct Operation;
}

struct PlantOptions {
    std::uint64_t seed = 1;
    std::vector<std::string> products;  ///< empty: the plant's own
};

/// A plant that never stops: thirty open work orders on twenty stations, in shifts. Each order goes
/// through the operations of its product; an operation is a set-up, then production that is
/// reported piece by piece, with breaks between. Order sizes are log-normal, reports pile up at the
/// ends of shifts.
///
/// Promise:  the same options give the same events, on every machine of one kind. Times never go
///           back; every key's sequence counts from 0 without a gap. Memory does not grow with the
///           number of events.
class Plant {
  public:
    explicit Plant(PlantOptions options);

    [[nodiscard]] Event next();

  private:
    enum class Phase : std::uint8_t { release, setup, production, pause };

    struct Order {
        std::string key;
        std::size_t product = 0;
        std::uint32_t quantity = 0;
        std::vector<std::size_t> route;  ///< numbers of operations
        std::size_t route_at = 0;
        std::size_t station = 0;
        Phase phase = Phase::release;
        std::uint32_t good = 0;      ///< pieces that have not been rejected
        std::uint32_t left = 0;      ///< pieces to make in this operation
        std::uint32_t rejected = 0;  ///< pieces rejected in this operation
        std::uint32_t part = 0;      ///< pieces of the report that is due
        double minutes = 0;          ///< what that report will say
        std::uint64_t step_sequence = 0;
        std::uint64_t quality_sequence = 0;
    };
    struct Station {
        std::string machine;              ///< "Machine 4"
        std::string workcenter;           ///< "Machine 4 - Turning & Milling"
        std::deque<std::size_t> waiting;  ///< orders
        bool is_busy = false;
    };
    struct Due {
        Minute time = 0;
        std::uint64_t number = 0;  ///< of equal times the one that was planned first
        std::size_t order = 0;
        bool operator>(const Due& other) const {
            return time != other.time ? time > other.time : number > other.number;
        }
    };

    void build_stations();
    [[nodiscard]] std::vector<std::size_t> build_stations_for(const model::Operation& operation);
    /// The number of the machine's station, which is made for the first operation on it.
    std::size_t station_for(const model::Operation& operation, const std::string& machine);
    void open_order(std::size_t slot, Minute from);
    void advance(std::size_t slot);
    void find_station(std::size_t slot);
    void begin_operation(std::size_t slot);
    void end_operation(std::size_t slot);
    void plan(std::size_t slot, Phase phase, double minutes);
    void plan_production(std::size_t slot);
    void report_production(Order& order);
    void inspect(Order& order);

    void emit(const std::string& key, std::uint64_t sequence, decltype(Event::value) value);
    void emit_step(Order& order, char report, std::uint32_t quantity, std::uint32_t rejected);
    void emit_state(const Order& order, const char* state);
    void emit_move(const Order& order, const std::string& from, const std::string& to);

    [[nodiscard]] std::uint32_t order_quantity();
    [[nodiscard]] double log_normal(double median, double sigma);
    [[nodiscard]] std::string worker_of(std::size_t station) const;

    PlantOptions options_;
    Random random_;
    std::vector<Station> stations_;
    std::vector<std::vector<std::size_t>> stations_of_;  ///< by operation
    std::vector<Order> orders_;                          ///< a slot per open order
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
    std::deque<Event> ready_;
    /// By machine or location, of which there are few.
    std::unordered_map<std::string, std::uint64_t> machine_sequences_;
    std::unordered_map<std::string, std::uint64_t> move_sequences_;
    Minute now_ = 0;
    std::uint64_t next_due_ = 0;
    std::uint64_t next_order_ = 1001;
    std::uint64_t next_event_ = 0;
};

}  // namespace millrace::plant
