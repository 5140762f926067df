#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

/// What the simulated plant makes and on what: made up, in proportions like those of the real log.
namespace millrace::plant::model {

struct Operation {
    std::string_view name;
    std::array<std::string_view, 6> machines;  ///< the rest are empty
    double setup_minutes = 0;                  ///< median; 0: never set up
    double minutes_per_piece = 0;              ///< median
    bool is_inspection = false;
    bool is_manual = false;  ///< the operation's name goes without the station's
};

inline constexpr std::array<Operation, 12> operations{{
    {.name = "Turning & Milling",
     .machines = {"Machine 4", "Machine 5", "Machine 6", "Machine 8", "Machine 9", "Machine 10"},
     .setup_minutes = 120,
     .minutes_per_piece = 7},
    {.name = "Turning & Milling Q.C.",
     .machines = {"Quality Check 1", "Quality Check 2"},
     .minutes_per_piece = 1.5,
     .is_inspection = true,
     .is_manual = true},
    {.name = "Laser Marking",
     .machines = {"Machine 7"},
     .setup_minutes = 20,
     .minutes_per_piece = 0.6},
    {.name = "Round Grinding",
     .machines = {"Machine 2", "Machine 3", "Machine 12"},
     .setup_minutes = 90,
     .minutes_per_piece = 4},
    {.name = "Flat Grinding",
     .machines = {"Machine 11"},
     .setup_minutes = 45,
     .minutes_per_piece = 1.2},
    {.name = "Lapping", .machines = {"Machine 1"}, .setup_minutes = 30, .minutes_per_piece = 1.5},
    {.name = "Wire Cut", .machines = {"Machine 13"}, .setup_minutes = 40, .minutes_per_piece = 2},
    {.name = "Milling",
     .machines = {"Machine 14", "Machine 16"},
     .setup_minutes = 90,
     .minutes_per_piece = 4},
    {.name = "Round Grinding - Q.C.",
     .machines = {"Quality Check 1", "Quality Check 2"},
     .minutes_per_piece = 1,
     .is_inspection = true,
     .is_manual = true},
    {.name = "Final Inspection Q.C.",
     .machines = {"Quality Check 1", "Quality Check 2"},
     .minutes_per_piece = 1,
     .is_inspection = true,
     .is_manual = true},
    {.name = "Packing", .machines = {"Packing"}, .minutes_per_piece = 0.4, .is_manual = true},
    {.name = "Grinding Rework",
     .machines = {"Machine 27"},
     .setup_minutes = 30,
     .minutes_per_piece = 2},
}};
inline constexpr std::size_t rework_operation = 11;

inline constexpr std::array<std::string_view, 8> products{"Cable Head",
                                                          "Ballnut",
                                                          "Spur Gear",
                                                          "Flange",
                                                          "Housing",
                                                          "Bearing Block",
                                                          "Drive Shaft",
                                                          "Valve Body"};

inline constexpr std::array<std::string_view, 16> workers{"ID4101",
                                                          "ID4118",
                                                          "ID4163",
                                                          "ID4207",
                                                          "ID4244",
                                                          "ID4290",
                                                          "ID4331",
                                                          "ID4375",
                                                          "ID4412",
                                                          "ID4459",
                                                          "ID4498",
                                                          "ID4537",
                                                          "ID4586",
                                                          "ID4623",
                                                          "ID4671",
                                                          "ID4720"};

inline constexpr double order_median = 36;
inline constexpr double order_sigma = 1.2;
inline constexpr double setup_chance = 0.7;
inline constexpr double rework_chance = 0.07;
inline constexpr double reject_chance = 0.02;
inline constexpr double break_chance = 0.06;
inline constexpr double break_minutes = 70;
inline constexpr double late_report_chance = 0.5;

/// The operations of a product, the same for all its orders.
[[nodiscard]] inline std::vector<std::size_t> route_of(std::size_t product) {
    static const std::array<std::vector<std::size_t>, 6> routes{{{0, 1, 3, 8, 5, 9, 10},
                                                                 {0, 1, 2, 9, 10},
                                                                 {0, 1, 6, 4, 9, 10},
                                                                 {7, 0, 1, 3, 8, 9, 10},
                                                                 {0, 1, 9, 10},
                                                                 {7, 4, 3, 8, 2, 9, 10}}};
    return routes.at(product % routes.size());
}

}  // namespace millrace::plant::model
