#include <gtest/gtest.h>

#include "client/cli/odoo/feed_status.hpp"

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

TEST(FeedStatus, BacklogInMinutes) {
    EXPECT_EQ(minutes_left(0, 0), 0);
    EXPECT_EQ(minutes_left(600, 10), 1);
    EXPECT_LT(minutes_left(600, 0), 0);
}

}  // namespace
}  // namespace millrace::cli
