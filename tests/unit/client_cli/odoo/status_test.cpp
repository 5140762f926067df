#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/odoo/feed_status.hpp"
#include "client/cli/odoo/metrics_text.hpp"
#include "millrace/types.hpp"

namespace millrace::cli {
namespace {

TEST(MetricsText, ReadsNamesLabelsAndValuesAndLeavesTheRest) {
    const auto lines = parse_metrics(
        "# HELP a b\n"
        "plain 3\n"
        "labelled{model=\"stock.lot\",method=\"load\"} 4.5\n"
        "broken{model=\"x} 1\n"
        "not_a_number x\n"
        "endless +Inf\n"
        "\n"
        "last 7");
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].name, "plain");
    EXPECT_EQ(lines[1].labels.at("method"), "load");
    EXPECT_EQ(lines[1].value, 4.5);
    EXPECT_EQ(lines[2].value, 7);
}

TEST(MetricsText, WhereNothingAnswersTheOptionIsNamed) {
    try {
        (void)fetch_metrics("127.0.0.1:1");
        FAIL() << "somebody answers on port 1";
    } catch (const ClientError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("no metrics from 127.0.0.1:1: "));
        EXPECT_THAT(error.what(), testing::HasSubstr("--http"));
    }
}

TEST(FeedStatus, AddsUpByModel) {
    const auto status =
        read_feed(parse_metrics("millrace_odoo_calls_total{model=\"m\",method=\"load\"} 2\n"
                                "millrace_odoo_calls_total{model=\"m\",method=\"read\"} 1\n"
                                "millrace_odoo_call_rows_total{model=\"m\",method=\"load\"} 30\n"
                                "millrace_odoo_call_us_total{model=\"m\",method=\"load\"} 600\n"
                                "millrace_odoo_faults_total{model=\"m\",cause=\"mapping\"} 5\n"
                                "millrace_odoo_events_total{outcome=\"applied\"} 25\n"
                                "millrace_odoo_events_total{outcome=\"mapping\"} 5\n"
                                "millrace_odoo_events_held 4\n"
                                "millrace_odoo_connections_limit 2\n"));
    const auto& model = status.models.at("m");
    EXPECT_EQ(model.calls, 3U);
    EXPECT_EQ(model.rows, 30U);
    EXPECT_EQ(model.us, 600U);
    EXPECT_EQ(model.faults.at("mapping"), 5U);
    EXPECT_EQ(status.settled(), 25U);
    EXPECT_EQ(status.held, 4U);
    EXPECT_EQ(status.connections, 2U);
}

TEST(FeedStatus, WhatIsStoppedAndWhatIsReadOfOdoo) {
    const auto status = read_feed(parse_metrics(
        "millrace_odoo_mapping_stopped{mapping=\"m.yaml:2\"} 1\n"
        "millrace_odoo_mapping_stopped{mapping=\"m.yaml:9\"} 0\n"
        "millrace_odoo_source_hints_held 3\n"
        "millrace_odoo_source_hints_total{model=\"m\",outcome=\"followed\"} 7\n"
        "millrace_odoo_source_hints_total{model=\"m\",outcome=\"merged\"} 40\n"
        "millrace_odoo_source_events_total{model=\"m\",outcome=\"published\"} 6\n"
        "millrace_odoo_source_found_by_sweep_total{model=\"m\"} 2\n"
        "millrace_odoo_source_sweep_lag_seconds{model=\"m\"} 61\n"
        "millrace_odoo_source_sweep_stopped{model=\"m\"} 1\n"
        "millrace_odoo_source_faults_total{model=\"m\",cause=\"outage\"} 5\n"
        "millrace_odoo_source_last_fault_seconds{model=\"m\",cause=\"outage\"} 1700000000\n"
        "millrace_odoo_source_last_fault_seconds{model=\"m\",cause=\"mapping\"} 1600000000\n"));
    EXPECT_EQ(status.stopped, std::vector<std::string>{"m.yaml:2"});
    EXPECT_EQ(status.hints_held, 3U);
    ASSERT_EQ(status.sources.size(), 1U);
    const auto& source = status.sources.at("m");
    EXPECT_EQ(source.hints.at("followed"), 7U);
    EXPECT_EQ(source.hints.at("merged"), 40U);
    EXPECT_EQ(source.events.at("published"), 6U);
    EXPECT_EQ(source.found_by_sweep, 2U);
    EXPECT_EQ(source.sweep_age_s, 61U);
    EXPECT_TRUE(source.is_sweep_stopped);
    EXPECT_EQ(source.faults, 5U);
    EXPECT_EQ(source.last_cause, "outage");
    EXPECT_EQ(source.last_fault_s, 1'700'000'000);
    EXPECT_TRUE(status.models.empty());
}

TEST(FeedStatus, BacklogInMinutes) {
    EXPECT_EQ(minutes_left(0, 0), 0);
    EXPECT_EQ(minutes_left(600, 10), 1);
    EXPECT_LT(minutes_left(600, 0), 0);
}

}  // namespace
}  // namespace millrace::cli
