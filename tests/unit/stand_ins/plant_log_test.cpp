#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <unordered_map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/stand_ins/plant/production_log.hpp"

namespace millrace::plant {
namespace {

using ::testing::HasSubstr;

const std::string header =
    "Part_Desc_;Work_Order_Qty;Case ID;Activity;Resource;Report_Type;Resource.1;Qty_Completed;"
    "Qty_for_MRB;activity_duration;Complete Timestamp\n";

std::string row(const std::string& work_order,
                const std::string& time,
                const std::string& quantity = "1") {
    return "Flange;10;" + work_order + ";Lapping - Machine 1;ID4000;D;Machine 1 - Lapping;" +
           quantity + ";0;12.5;" + time + "\n";
}

Result<std::vector<Event>> read(const std::string& text) {
    std::istringstream in(text);
    return read_production_log(in, "a.csv");
}

TEST(PlantLog, RowBecomesAStepWithAllItsFields) {
    const auto events = read(header + row("Case1", "30.01.2012 05:43", "8"));
    ASSERT_TRUE(events.has_value()) << events.error().text;
    ASSERT_EQ(events.value().size(), 1U);
    const auto line = nlohmann::json::parse(format_event(events.value().front()));
    EXPECT_EQ(line, nlohmann::json::parse(R"({
        "topic": "plant1.mes.workorder.step", "key": "Case1", "headers": {"event-id": "log-2"},
        "event_time_us": 1327902180000000,
        "value": {"product": "Flange", "work_order_quantity": 10,
                  "operation": "Lapping - Machine 1", "workcenter": "Machine 1 - Lapping",
                  "worker": "ID4000", "report": "D", "quantity": 8, "rejected": 0,
                  "minutes": 12.5, "sequence": 0, "completed_at": "2012-01-30 05:43:00"}})"));
}

TEST(PlantLog, EventsComeInTheOrderOfTimeAndOfTheFileWithinAMinute) {
    const auto events =
        read(header + row("A", "02.01.2012 10:00", "1") + row("A", "02.01.2012 10:00", "2") +
             row("B", "01.01.2012 10:00", "3") + row("A", "01.01.2012 11:00", "4"));
    ASSERT_TRUE(events.has_value()) << events.error().text;
    std::string order;
    for (const Event& event : events.value()) {
        order += event.key + std::to_string(std::get<WorkStep>(event.value).quantity) + "#" +
                 std::to_string(event.sequence) + " ";
    }
    EXPECT_EQ(order, "B3#0 A4#0 A1#1 A2#2 ");
}

TEST(PlantLog, WorkcenterComesFromTheActivityWhereTheLogHasNone) {
    const std::string short_header =
        "Part_Desc_;Work_Order_Qty;Case ID;Activity;Resource;Report_Type;Qty_Completed;"
        "Qty_for_MRB;activity_duration;Complete Timestamp\n";
    const auto events = read(short_header +
                             "P;1;A;Lapping - Machine 1;I;S;0;0;1;01.01.2012 10:00\n"
                             "P;1;A;Packing;I;D;0;0;1;01.01.2012 11:00\n");
    ASSERT_TRUE(events.has_value()) << events.error().text;
    EXPECT_EQ(std::get<WorkStep>(events.value()[0].value).workcenter, "Machine 1");
    EXPECT_EQ(std::get<WorkStep>(events.value()[1].value).workcenter, "Packing");
}

TEST(PlantLog, BadRowIsNamedWithFileLineAndValue) {
    const struct {
        std::string bad;
        std::string says;
    } cases[] = {
        {row("A", "30.02.2012 05:43"), "a.csv:3: Complete Timestamp is \"30.02.2012 05:43\""},
        {row("A", "2012-01-30 05:43"), "a.csv:3: Complete Timestamp"},
        {row("A", "30.01.2012 24:00"), "a.csv:3: Complete Timestamp"},
        {row("A", "30.01.2012 05:43", "-1"), "a.csv:3: Qty_Completed is \"-1\""},
        {row("A", "30.01.2012 05:43", "1.5"), "a.csv:3: Qty_Completed"},
        {row("A", "30.01.2012 05:43", ""), "a.csv:3: Qty_Completed"},
        {row("", "30.01.2012 05:43"), "a.csv:3: Case ID is empty"},
        {"P;1;A;X;I;Q;R;1;0;1;30.01.2012 05:43\n", "a.csv:3: Report_Type is \"Q\""},
        {"P;1;A;X;I;D;R;1;0;nan;30.01.2012 05:43\n", "a.csv:3: activity_duration is \"nan\""},
        {"P;1;A\n", "a.csv:3: 3 fields, the header has 11"},
        {"P;\"1\n", "a.csv:3: a quoted field has no end"},
    };
    for (const auto& [bad, says] : cases) {
        auto text = header + row("A", "30.01.2012 05:43");
        text += bad;
        const auto events = read(text);
        ASSERT_TRUE(events.has_error()) << bad;
        EXPECT_THAT(events.error().text, HasSubstr(says));
    }
}

TEST(PlantLog, MissingColumnAndEmptyFileAreNamed) {
    EXPECT_THAT(read("a;b\n1;2\n").error().text, HasSubstr("a.csv:1: no column \"Part_Desc_\""));
    EXPECT_THAT(read("").error().text, HasSubstr("a.csv:1: the file is empty"));
}

TEST(PlantLog, TheRealLogGivesEveryRowOnceWithSequencesWithoutAGap) {
    const auto root = std::filesystem::path(__FILE__).parent_path() / "../../..";
    const auto path = root / "../shared/data/production-log.csv";
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        GTEST_SKIP() << path << " is not there";
    }
    const auto events = read_production_log(file, path.string());
    ASSERT_TRUE(events.has_value()) << events.error().text;
    EXPECT_EQ(events.value().size(), 2489U);
    std::unordered_map<std::string, std::uint64_t> next;
    std::set<std::string> ids;
    UnixMicros before = 0;
    for (const Event& event : events.value()) {
        EXPECT_EQ(event.sequence, next[event.key]++);
        EXPECT_LE(before, event.time_us);
        before = event.time_us;
        ids.insert(event.id);
    }
    EXPECT_EQ(next.size(), 220U);
    EXPECT_EQ(ids.size(), 2489U);
}

}  // namespace
}  // namespace millrace::plant
