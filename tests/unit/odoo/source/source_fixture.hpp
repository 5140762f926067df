#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/odoo/sink/sink_fixture.hpp"

#include "broker/odoo/source/read_back.hpp"
#include "broker/odoo/source/sweep.hpp"

namespace millrace::broker::odoo {

/// A row of sale.order as `search_read` gives it.
inline Json order(std::int64_t id, const char* state, const char* write_date) {
    return {{"id", id}, {"state", state}, {"write_date", write_date}};
}

/// A read-back over a transport and topics that the test answers by hand.
class ReadBackFixture : public testing::Test {
  protected:
    struct Publishing {
        std::string topic;
        std::vector<SourceEvent> events;
        PublishDone done;
    };

    ReadBack& read_back() {
        if (!made) {
            auto parsed = parse_source_file("s.yaml", text);
            EXPECT_TRUE(parsed) << parsed.error().text;
            file = std::move(parsed).value();
            made = std::make_unique<ReadBack>(
                file,
                ReadBackParts{.transport = transport,
                              .clock = clock,
                              .metrics = source_metrics,
                              .publish =
                                  [this](const std::string& topic,
                                         std::vector<SourceEvent> events,
                                         PublishDone done) {
                                      published.push_back({.topic = topic,
                                                           .events = std::move(events),
                                                           .done = std::move(done)});
                                  },
                              .settle =
                                  [this](std::uint64_t ticket, std::optional<delivery::Nack> nack) {
                                      EXPECT_FALSE(settled.contains(ticket)) << ticket;
                                      settled[ticket] = std::move(nack);
                                  },
                              .wake_at = [this](SteadyTime at) { wake_at = at; }});
        }
        return *made;
    }
    std::uint64_t hint(std::int64_t id, const std::string& more = "") {
        read_back().accept(++last_ticket,
                           R"({"_model":"sale.order","_id":)" + std::to_string(id) + more + "}");
        read_back().run();
        return last_ticket;
    }
    void pass(Duration time) {
        clock.advance(time);
        read_back().run();
    }
    [[nodiscard]] Json asked_ids() const {
        return transport.waiting.front().call.named.at("domain").at(0).at(2);
    }
    /// The oldest publication is durable.
    void make_durable(const EventOutcome& outcome = {}) {
        auto one = std::move(published.front());
        published.erase(published.begin());
        one.done(std::vector<EventOutcome>(one.events.size(), outcome));
    }
    [[nodiscard]] bool is_acked(std::uint64_t ticket) const {
        return settled.contains(ticket) && !settled.at(ticket);
    }

    std::string text = R"(hints: {read_after_ms: 100, wait_max_s: 10}
models:
  - model: sale.order
    fields: [state]
    topic: '"odoo.sale.order." + .record.state'
    deleted: {when: '.hint._action == "gone"', topic: '"odoo.sale.order.deleted"'}
)";
    SourceFile file;
    FakeTransport transport;
    ManualClock clock;
    MetricsRegistry metrics;
    SourceMetrics source_metrics{metrics, clock};
    std::unique_ptr<ReadBack> made;
    std::vector<Publishing> published;
    std::map<std::uint64_t, std::optional<delivery::Nack>> settled;
    std::uint64_t last_ticket = 0;
    SteadyTime wake_at{};
};

}  // namespace millrace::broker::odoo
