#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stand_ins/plant/plant.hpp"

namespace millrace::plant {
namespace {

constexpr int many = 40'000;

std::vector<Event> events_of(const PlantOptions& options, int count = many) {
    Plant plant(options);
    std::vector<Event> events;
    events.reserve(static_cast<std::size_t>(count));
    for (int number = 0; number < count; ++number) {
        events.push_back(plant.next());
    }
    return events;
}

const std::vector<Event>& sample() {
    static const std::vector<Event> events = events_of({.seed = 7});
    return events;
}

std::vector<const WorkStep*> steps_of(const std::vector<Event>& events) {
    std::vector<const WorkStep*> steps;
    for (const Event& event : events) {
        if (const auto* step = std::get_if<WorkStep>(&event.value)) {
            steps.push_back(step);
        }
    }
    return steps;
}

TEST(PlantSimulation, TheSameSeedGivesTheSameLinesAndAnotherSeedOthers) {
    const auto again = events_of({.seed = 7}, 2000);
    const auto other = events_of({.seed = 8}, 2000);
    int different = 0;
    for (std::size_t at = 0; at < again.size(); ++at) {
        EXPECT_EQ(format_event(again[at]), format_event(sample()[at]));
        different += format_event(other[at]) == format_event(sample()[at]) ? 0 : 1;
    }
    EXPECT_GT(different, 1900);
}

TEST(PlantSimulation, EventsAreNumberedTimesNeverGoBackAndSequencesHaveNoGap) {
    std::map<std::pair<Family, std::string>, std::uint64_t> next;
    UnixMicros before = 0;
    for (std::size_t at = 0; at < sample().size(); ++at) {
        const Event& event = sample()[at];
        EXPECT_EQ(event.id, "plant-7-" + std::to_string(at));
        EXPECT_LE(before, event.time_us);
        before = event.time_us;
        const std::uint64_t expected = next[std::pair(event.family(), event.key)]++;
        EXPECT_EQ(event.sequence, expected) << format_event(event);
    }
}

TEST(PlantSimulation, EveryFamilyAndEveryKindOfReportOccurs) {
    std::map<Family, int> families;
    std::map<char, int> reports;
    for (const Event& event : sample()) {
        ++families[event.family()];
    }
    for (const WorkStep* step : steps_of(sample())) {
        ++reports[step->report];
    }
    EXPECT_EQ(families.size(), 4U);
    EXPECT_GT(reports['D'], reports['S']);
    EXPECT_GT(reports['S'], reports['B']);
    EXPECT_GT(reports['B'], 100);
}

TEST(PlantSimulation, OrdersGoThroughSeveralOperationsAndNeverGainPieces) {
    std::map<std::string, std::map<std::string, std::uint64_t>> made;
    std::map<std::string, std::uint32_t> quantity;
    for (const Event& event : sample()) {
        if (const auto* step = std::get_if<WorkStep>(&event.value)) {
            made[event.key][step->operation] += step->quantity + step->rejected;
            const auto [known, is_new] = quantity.emplace(event.key, step->work_order_quantity);
            EXPECT_EQ(known->second, step->work_order_quantity);
        }
    }
    std::size_t with_several = 0;
    for (const auto& [order, operations] : made) {
        with_several += operations.size() >= 4 ? 1U : 0U;
        for (const auto& [operation, pieces] : operations) {
            EXPECT_LE(pieces, quantity[order]) << order << " " << operation;
        }
    }
    EXPECT_GT(made.size(), 300U);
    EXPECT_GT(with_several * 10, made.size() * 8);
}

TEST(PlantSimulation, OrderSizesHaveAHeavyTail) {
    std::map<std::string, std::uint32_t> quantity;
    for (const Event& event : sample()) {
        if (const auto* step = std::get_if<WorkStep>(&event.value)) {
            quantity[event.key] = step->work_order_quantity;
        }
    }
    std::vector<std::uint32_t> sizes;
    sizes.reserve(quantity.size());
    for (const auto& [order, size] : quantity) {
        sizes.push_back(size);
    }
    std::sort(sizes.begin(), sizes.end());
    const double median = sizes[sizes.size() / 2];
    const double mean =
        std::accumulate(sizes.begin(), sizes.end(), 0.0) / static_cast<double>(sizes.size());
    EXPECT_GT(median, 20);
    EXPECT_LT(median, 60);
    EXPECT_GT(mean, median * 1.5);
    EXPECT_GT(sizes.back(), median * 15);
}

TEST(PlantSimulation, NobodyReportsOutsideTheShiftsAndReportsPileUpAtTheirEnds) {
    std::map<Minute, int> by_hour;
    constexpr Minute minutes_a_day = 1'440;
    std::map<Minute, int> by_minute;
    for (const Event& event : sample()) {
        const Minute time = event.time_us / 60'000'000;
        EXPECT_TRUE(ShiftCalendar::is_open(time) || ShiftCalendar::is_open(time - 1))
            << format_event(event);
        ++by_hour[time / 60 % 24];
        ++by_minute[time % minutes_a_day];
    }
    const int busiest = std::max_element(by_minute.begin(), by_minute.end(), [](auto& a, auto& b) {
                            return a.second < b.second;
                        })->second;
    EXPECT_GT(busiest, 20 * many / static_cast<int>(by_minute.size()));
    EXPECT_EQ(by_hour.count(3), 0U);
}

TEST(PlantSimulation, OnlyTheProductsThatAreAskedForAreMade) {
    std::set<std::string> products;
    const auto events = events_of({.seed = 3, .products = {"Left", "Right"}}, 3000);
    for (const WorkStep* step : steps_of(events)) {
        products.insert(step->product);
    }
    EXPECT_EQ(products, (std::set<std::string>{"Left", "Right"}));
}

TEST(PlantCalendar, WorkGoesOnWhenTheNextShiftBegins) {
    constexpr Minute monday = 29'459'880 - 360;
    constexpr Minute hour = 60;
    constexpr Minute day = 24 * hour;
    EXPECT_EQ(ShiftCalendar::opening_from(monday), monday + 6 * hour);
    EXPECT_EQ(ShiftCalendar::after(monday + 21 * hour, 2 * hour), monday + day + 7 * hour);
    const Minute saturday = monday + 5 * day;
    EXPECT_EQ(ShiftCalendar::after(saturday + 13 * hour, 2 * hour), monday + 7 * day + 7 * hour);
    EXPECT_EQ(ShiftCalendar::end_of_shift(monday + 14 * hour), monday + 22 * hour);
    EXPECT_FALSE(ShiftCalendar::is_open(saturday + 14 * hour));
    EXPECT_FALSE(ShiftCalendar::is_open(saturday + day + 8 * hour));
}

}  // namespace
}  // namespace millrace::plant
