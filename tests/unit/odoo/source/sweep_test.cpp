#include "tests/unit/odoo/source/source_fixture.hpp"

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* ten = "2026-11-25 10:00:00";
constexpr const char* eleven = "2026-11-25 11:00:00";

/// A sweep over a transport that the test answers by hand.
class SweepFixture : public testing::Test {
  protected:
    Sweep& sweep() {
        if (!made) {
            auto parsed = parse_source_file(
                "s.yaml",
                "sweep: {interval_s: 60, overlap_s: 30, page_records: 2, from: " + from + "}\n" +
                    "models:\n  - model: sale.order\n    fields: [state]\n    topic: '\"t\"'\n" +
                    "    domain: '[[\"company_id\", \"=\", 1]]'\n");
            EXPECT_TRUE(parsed) << parsed.error().text;
            file = std::move(parsed).value();
            made = std::make_unique<Sweep>(
                file,
                cursors,
                SweepParts{.transport = transport,
                           .clock = clock,
                           .metrics = source_metrics,
                           .publish =
                               [this](const std::vector<SweptHint>& given,
                                      const std::function<void(Result<void>)>& done) {
                                   take(given);
                                   done(published);
                               },
                           .save = [this](const SweepCursors& now) { cursors = now; },
                           .wake_at = [this](SteadyTime at) { wake_at = at; }});
        }
        return *made;
    }
    void take(const std::vector<SweptHint>& given) {
        for (const auto& hint : given) {
            hints.push_back(hint.event_id);
        }
    }
    void pass(Duration time) {
        clock.advance(time);
        sweep().run();
    }
    [[nodiscard]] std::string domain() const {
        return transport.waiting.front().call.named.at("domain").dump();
    }
    [[nodiscard]] std::string order_of_rows() const {
        return transport.waiting.front().call.named.at("order");
    }
    /// As after a restart: with what was saved.
    void restart() {
        made.reset();
        transport.waiting.clear();
    }

    std::string from = "now";
    SweepCursors cursors;
    SourceFile file;
    FakeTransport transport;
    ManualClock clock;
    MetricsRegistry metrics;
    SourceMetrics source_metrics{metrics, clock};
    std::unique_ptr<Sweep> made;
    std::vector<std::string> hints;
    Result<void> published = ok();
    SteadyTime wake_at{};
};

TEST_F(SweepFixture, TheFirstBeginsWithTheNewestAndGoesBackByTheOverlap) {
    sweep().run();
    EXPECT_EQ(order_of_rows(), "write_date desc, id desc");
    transport.reply(Json::array({order(9, "sale", ten)}));
    EXPECT_EQ(domain(),
              R"([["company_id","=",1],["write_date",">=","2026-11-25 09:59:30"],["id",">",0]])");
    EXPECT_EQ(order_of_rows(), "id");
    transport.reply(Json::array({order(9, "sale", ten)}));
    ASSERT_EQ(hints.size(), 1U);
    EXPECT_THAT(hints.front(), testing::StartsWith("sweep,sale.order,9,2026-11-25 10:00:00,"));
    EXPECT_EQ(cursors["sale.order"], (SweepCursor{.from = ten, .upto = {}, .last_id = 0}));
    EXPECT_TRUE(transport.waiting.empty());
    pass(60s);
    EXPECT_EQ(transport.waiting.size(), 1U) << "the next one";
}

TEST_F(SweepFixture, FromTheBeginningThereIsNoBound) {
    from = "beginning";
    sweep().run();
    transport.reply(Json::array({order(9, "sale", ten)}));
    EXPECT_EQ(domain(), R"([["company_id","=",1],["id",">",0]])");
}

TEST_F(SweepFixture, PagesGoOnBehindTheLastIdAlsoAfterARestart) {
    cursors["sale.order"] = {.from = ten, .upto = {}, .last_id = 0};
    sweep().run();
    transport.reply(Json::array({order(9, "sale", eleven)}));
    transport.reply(Json::array({order(3, "sale", eleven), order(5, "sale", ten)}));
    EXPECT_EQ(cursors["sale.order"], (SweepCursor{.from = ten, .upto = eleven, .last_id = 5}));
    EXPECT_THAT(domain(), HasSubstr(R"(["id",">",5])"));
    restart();
    sweep().run();
    EXPECT_THAT(domain(), HasSubstr(R"(["id",">",5])"));
    transport.reply(Json::array({order(9, "sale", eleven)}));
    EXPECT_EQ(cursors["sale.order"], (SweepCursor{.from = eleven, .upto = {}, .last_id = 0}));
    EXPECT_EQ(hints.size(), 3U);
}

TEST_F(SweepFixture, ASecondChangeInTheSameSecondIsSeenAndAModelAtRestIsLeftAlone) {
    for (int round = 0; round < 4; ++round) {
        sweep().run();
        transport.reply(Json::array({order(9, "sale", ten)}));
        transport.reply(Json::array({order(9, "sale", ten)}));
        clock.advance(60s);
    }
    ASSERT_EQ(hints.size(), 4U);
    EXPECT_THAT(hints[0], testing::Not(testing::EndsWith("rest")));
    EXPECT_THAT(hints[1], testing::EndsWith("rest")) << "longer ago than the overlap of 30 s";
    EXPECT_EQ(hints[2], hints[3]);
    sweep().run();
    transport.reply(Json::array({order(9, "done", eleven)}));
    transport.reply(Json::array({order(9, "done", eleven)}));
    EXPECT_THAT(hints.back(), testing::Not(testing::EndsWith("rest")));
}

TEST_F(SweepFixture, AnEmptyModelIsSweptWholeLater) {
    sweep().run();
    transport.reply(Json::array());
    restart();
    sweep().run();
    transport.reply(Json::array({order(1, "sale", eleven)}));
    EXPECT_THAT(domain(), HasSubstr("1969-12-31"));
}

TEST_F(SweepFixture, TheCursorStaysWhereHintsAreNotDurable) {
    cursors["sale.order"] = {.from = ten, .upto = {}, .last_id = 0};
    published = fail(Errc::unavailable, "full");
    sweep().run();
    transport.reply(Json::array({order(9, "sale", eleven)}));
    transport.reply(Json::array({order(9, "sale", eleven)}));
    EXPECT_EQ(cursors["sale.order"].from, ten);
    published = ok();
    pass(1s);
    transport.reply(Json::array({order(9, "sale", eleven)}));
    EXPECT_EQ(cursors["sale.order"].from, eleven);
}

TEST_F(SweepFixture, AnOutageIsWaitedForLongerAndLonger) {
    sweep().run();
    for (const auto delay : {1s, 2s, 4s}) {
        transport.fail({.cause = Cause::outage, .error = "Connection refused"});
        pass(delay - 1ms);
        EXPECT_TRUE(transport.waiting.empty());
        pass(1ms);
        ASSERT_EQ(transport.waiting.size(), 1U);
    }
    EXPECT_EQ(source_metrics.sweep_stopped("sale.order").value(), 0);
}

TEST_F(SweepFixture, WhatOdooRefusesStopsItAndIsSaid) {
    sweep().run();
    transport.fail({.cause = Cause::authorization, .error = "no"});
    EXPECT_EQ(source_metrics.sweep_stopped("sale.order").value(), 1);
    pass(299s);
    EXPECT_TRUE(transport.waiting.empty());
    EXPECT_EQ(source_metrics.sweep_lag_seconds("sale.order").value(), 299);
    pass(1s);
    transport.reply(Json::array());
    EXPECT_EQ(source_metrics.sweep_stopped("sale.order").value(), 0);
}

TEST(SweepCursors, AreReadAsTheyWereWritten) {
    const SweepCursors cursors{{"a", {.from = ten, .upto = eleven, .last_id = 4}}, {"b", {}}};
    const auto read = parse_cursors(format_cursors(cursors));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read.value(), cursors);
    for (const char* const text : {"", "[]", R"({"a":1})", R"({"a":{"last_id":"x"}})"}) {
        EXPECT_FALSE(parse_cursors(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
