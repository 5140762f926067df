#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "broker/odoo/sink/sink.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::odoo {

/// Keeps calls until the test answers them.
class FakeTransport final : public Transport {
  public:
    struct Waiting {
        Call call;
        ReplyDone done;
        /// The second cell of each row of a `load`.
        [[nodiscard]] std::vector<std::string> names() const {
            std::vector<std::string> names;
            for (const auto& row : call.positional.at(1).second) {
                names.push_back(row.at(1));
            }
            return names;
        }
        [[nodiscard]] std::string text() const { return call.model + "." + call.method; }
    };
    void call(const Call& call, ReplyDone done) override {
        waiting.push_back({.call = call, .done = std::move(done)});
    }
    void stop() override { waiting.clear(); }

    /// Answers the oldest call as `load` does: all rows, or a message a refused name.
    void answer(const std::set<std::string>& refused = {},
                const std::string& message = "No match") {
        const auto names = waiting.front().names();
        Json ids = Json::array();
        Json messages = Json::array();
        for (std::size_t row = 0; row < names.size(); ++row) {
            ids.push_back(++last_id);
            if (refused.contains(names[row])) {
                messages.push_back({{"type", "error"},
                                    {"rows", {{"from", row}, {"to", row}}},
                                    {"record", row},
                                    {"message", message}});
            }
        }
        reply({{"ids", messages.empty() ? ids : Json(false)}, {"messages", messages}});
    }
    void reply(const Json& result) {
        auto one = std::move(waiting.front());
        waiting.pop_front();
        one.done(result.dump());
    }
    void fail(const Fault& fault) {
        auto one = std::move(waiting.front());
        waiting.pop_front();
        one.done(fault);
    }

    std::deque<Waiting> waiting;
    int last_id = 0;
};

/// A sink over a transport that the test answers by hand, with a clock that stands still.
class SinkFixture : public testing::Test {
  protected:
    SinkFixture() { options.connections_max = 1; }

    void give(const std::vector<std::string>& values,
              std::uint32_t tries = 1,
              const std::string& topic = "a") {
        std::vector<FeedEvent> events;
        for (const auto& value : values) {
            ids[++last_id] = value;
            events.push_back({.ref = {.shard = ShardId{1}, .session = 5, .delivery_id = last_id},
                              .topic = topic,
                              .offset = Offset{last_id},
                              .attempt = tries,
                              .tries = tries,
                              .record = wire::format_plain_record({.value = value})});
        }
        sink().accept(events);
    }
    void take(const delivery::Settlement& done) {
        for (const auto id : done.acks) {
            acked.push_back(ids.at(id));
        }
        for (const auto& nack : done.nacks) {
            nacks[ids.at(nack.delivery_id)] = nack;
        }
        resumed.insert(resumed.end(), done.resumed.begin(), done.resumed.end());
    }
    Sink& sink() {
        if (!made) {
            const auto settle =
                [this](ShardId shard, std::uint64_t session, const delivery::Settlement& done) {
                    EXPECT_EQ(shard, ShardId{1});
                    EXPECT_EQ(session, 5U);
                    take(done);
                };
            auto parsed = parse_mapping("m.yaml", mapping);
            EXPECT_TRUE(parsed) << parsed.error().text;
            made = std::make_unique<Sink>(
                options,
                std::move(parsed).value(),
                SinkParts{.transport = transport,
                          .metrics = metrics,
                          .clock = clock,
                          .settle = settle,
                          .wake_at = [this](SteadyTime at) { wake_at = at; }});
        }
        return *made;
    }
    [[nodiscard]] const Call& next() const { return transport.waiting.front().call; }

    std::string mapping;
    SinkOptions options;
    FakeTransport transport;
    MetricsRegistry metrics;
    ManualClock clock;
    std::unique_ptr<Sink> made;
    std::map<std::uint64_t, std::string> ids;
    std::uint64_t last_id = 0;
    std::vector<std::string> acked;
    std::map<std::string, delivery::Nack> nacks;
    std::vector<std::string> resumed;
    SteadyTime wake_at{};
};

}  // namespace millrace::broker::odoo
