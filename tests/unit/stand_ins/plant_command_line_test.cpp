#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/stand_ins/plant/command_line.hpp"

namespace millrace::plant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Ran {
    int code = 0;
    std::vector<nlohmann::json> lines;
    std::string out;
    std::string err;
    Duration waited{};
};

Ran run_words(const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    ManualClock clock;
    const SteadyTime begin = clock.steady_now();
    Ran ran;
    ran.code = run(words, {.out = out, .err = err, .clock = clock, .sleep_until = [&](auto time) {
                               clock.advance(time - clock.steady_now());
                           }});
    ran.out = out.str();
    ran.err = err.str();
    ran.waited = clock.steady_now() - begin;
    std::istringstream text(ran.out);
    for (std::string line; ran.out.starts_with('{') && std::getline(text, line);) {
        ran.lines.push_back(nlohmann::json::parse(line));
    }
    return ran;
}

/// A log of three steps, two hours from the first to the last.
class LogFile {
  public:
    explicit LogFile(const std::string& last_time) {
        std::ofstream file(path_);
        file << "Part_Desc_;Work_Order_Qty;Case ID;Activity;Resource;Report_Type;Resource.1;"
                "Qty_Completed;Qty_for_MRB;activity_duration;Complete Timestamp\n";
        for (const std::string& time :
             {std::string("01.02.2012 10:00"), std::string("01.02.2012 10:30"), last_time}) {
            file << "Flange;10;A;Lapping;ID1;D;Machine 1;1;0;5;" << time << '\n';
        }
    }
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;
    LogFile(LogFile&&) = delete;
    LogFile& operator=(LogFile&&) = delete;
    ~LogFile() { std::filesystem::remove(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = std::filesystem::temp_directory_path() /
                        ("millrace-plant-" + std::to_string(::getpid()) + ".csv");
};

TEST(PlantCommandLine, PrintsAsManyEventsAsAskedForAtOnce) {
    const Ran ran = run_words({"--seed", "7", "--events", "250"});
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.lines.size(), 250U);
    EXPECT_EQ(ran.waited.count(), 0);
    EXPECT_EQ(ran.lines.front()["headers"]["event-id"], "plant-7-0");
}

TEST(PlantCommandLine, OneFamilyIsTheSameEventsWithoutTheOthers) {
    const Ran all = run_words({"--seed", "7", "--events", "400"});
    const Ran only = run_words({"--seed", "7", "--events", "20", "--only", "mes"});
    std::vector<nlohmann::json> expected;
    for (const auto& line : all.lines) {
        if (line["topic"] == "plant1.mes.workorder.step" && expected.size() < 20) {
            expected.push_back(line);
        }
    }
    EXPECT_EQ(only.lines, expected);
}

TEST(PlantCommandLine, RateIsKeptByTheClock) {
    const Ran ran = run_words({"--events", "101", "--rate", "50/s"});
    EXPECT_EQ(ran.waited, std::chrono::seconds(2));
}

TEST(PlantCommandLine, LogIsPlayedAtOnceOrAtASpeed) {
    const LogFile log("01.02.2012 12:00");
    EXPECT_EQ(run_words({"--log", log.path()}).waited.count(), 0);
    EXPECT_EQ(run_words({"--log", log.path(), "--speed", "original"}).waited,
              std::chrono::hours(2));
    const Ran ran = run_words({"--log", log.path(), "--speed", "60x"});
    EXPECT_EQ(ran.waited, std::chrono::minutes(2));
    EXPECT_EQ(ran.lines.size(), 3U);
    EXPECT_EQ(ran.code, 0);
}

TEST(PlantCommandLine, LogWithABadRowPrintsNoEventAndEndsWith1) {
    const LogFile log("01.02.2012 25:00");
    const Ran ran = run_words({"--log", log.path()});
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, HasSubstr(log.path() + ":4: Complete Timestamp is \"01.02.2012 25:00\""));
}

TEST(PlantCommandLine, MissingLogEndsWith1) {
    const Ran ran = run_words({"--log", "/nonexistent.csv"});
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.err, HasSubstr("/nonexistent.csv can't be opened"));
}

TEST(PlantCommandLine, WrongWordsEndWith2AndPrintNothing) {
    const std::vector<std::vector<std::string>> cases{
        {"--wrong"},
        {"--events", "many"},
        {"--events", "-1"},
        {"--rate", "0"},
        {"--rate", "fast"},
        {"--only", "erp"},
        {"--speed", "60x"},
        {"--log", "a", "--speed", "0x"},
        {"--log", "a", "--speed", "quick"},
        {"--log", "a", "--seed", "1"},
        {"--log", "a", "--speed", "2x", "--rate", "1"},
        {"word"}};
    for (const auto& words : cases) {
        const Ran ran = run_words(words);
        EXPECT_EQ(ran.code, 2) << words.front() << " " << words.back();
        EXPECT_THAT(ran.out, IsEmpty());
        EXPECT_THAT(ran.err, HasSubstr("millrace-plant: "));
    }
}

TEST(PlantCommandLine, HelpHasExamples) {
    const Ran ran = run_words({"--help"});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, HasSubstr("Examples:"));
    EXPECT_THAT(ran.out, HasSubstr("--speed"));
}

TEST(PlantCommandLine, OutputThatTakesNothingEndsWith1) {
    std::ostringstream out;
    std::ostringstream err;
    out.setstate(std::ios::badbit);
    const ManualClock clock;
    const int code = run({"--events", "0"},
                         {.out = out, .err = err, .clock = clock, .sleep_until = [](auto) {}});
    EXPECT_EQ(code, 1);
    EXPECT_THAT(err.str(), HasSubstr("can't be written"));
}

}  // namespace
}  // namespace millrace::plant
