#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/letters/letters.hpp"
#include "broker/delivery/subscriptions.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery::testing {

/// What a consumer got, and the means to settle it.
class Inbox final : public DeliveryTarget {
  public:
    struct Got {
        std::uint64_t id = 0;
        PartitionId partition;
        Offset offset;
        std::uint32_t attempt = 0;
        std::uint32_t tries = 0;
        std::string value;
    };
    void on_deliveries(ShardId shard, std::span<const Delivery> deliveries) override;
    void on_ended(ShardId /*shard*/, const Error& /*reason*/) override {}
    /// Everything since the last call.
    std::vector<Got> take() { return std::exchange(got_, {}); }
    std::vector<std::string> take_values();

  private:
    std::vector<Got> got_;
};

/// One shard with delivery, on simulated disk and time.
class EngineWorld : public ::testing::Test {
  protected:
    explicit EngineWorld(std::size_t parked_bytes_max = 100'000);
    ~EngineWorld() override { delivery_.reset(); }
    EngineWorld(const EngineWorld&) = delete;
    EngineWorld& operator=(const EngineWorld&) = delete;
    EngineWorld(EngineWorld&&) = delete;
    EngineWorld& operator=(EngineWorld&&) = delete;

    void create(SubscriptionInfo info);
    void alter(SubscriptionAlteration change);
    struct Outgoing {
        std::string key;
        std::string value = "v";
        std::vector<std::pair<std::string, std::string>> headers;
    };
    /// All of them in one batch, durable when it returns.
    void publish(PartitionId partition, const std::vector<Outgoing>& records);
    std::shared_ptr<Inbox> open(SessionId session, std::uint32_t credit = 100);
    void ack(SessionId session, const std::vector<Inbox::Got>& got);
    void nack(SessionId session, const Inbox::Got& got, Cause cause, std::string error = "no");
    void pass(Duration time) const { fixture_.runtime->advance(time); }
    void run() const { fixture_.runtime->run_until_idle(); }
    void restart();
    [[nodiscard]] SubscriptionProgress progress() const;
    [[nodiscard]] std::vector<Letter> letters() const;
    [[nodiscard]] double metric(const std::string& name, const Labels& labels = {}) const;
    /// A header that says so long from now.
    [[nodiscard]] std::string in(Duration time) const;

    DeliveryTable table_;
    std::unique_ptr<DeliveryShard> delivery_;
    broker::testing::ShardFixture fixture_;
};

}  // namespace millrace::broker::delivery::testing
