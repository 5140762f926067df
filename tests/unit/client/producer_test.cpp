#include "millrace/producer.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_broker.hpp"

#include "client/wire/record_batch.hpp"
#include "millrace/client.hpp"

namespace millrace::client {
namespace {

using testing::ScriptedBroker;

constexpr std::size_t record_bytes = 40'000;  ///< one fills a batch

void send_records(Producer& producer, std::size_t count, std::atomic<std::size_t>& acked) {
    for (std::size_t i = 0; i < count; ++i) {
        producer.send({.value = std::string(record_bytes, '.')},
                      [&acked](const RecordPlace&, const std::exception_ptr& error) {
                          acked += error == nullptr ? 1 : 0;
                      });
    }
}

TEST(Producer, HasNoMoreBatchesOfAPartitionUnansweredThanTheBrokerRemembers) {
    constexpr std::size_t record_count = 64;
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer(
            "test.event", {.batch_bytes_max = 32 * 1024, .requests_in_flight_max = 1000});
        send_records(producer, record_count, acked);
        producer.flush();
    });
    broker.serve_until_publish();
    while (broker.answered_batches() < record_count) {
        EXPECT_LE(broker.unanswered_batches(), wire::producer_batches_in_flight_max);
        if (broker.unanswered_batches() < wire::producer_batches_in_flight_max &&
            broker.batches().size() < record_count) {
            broker.receive_publish();
        } else {
            broker.answer_oldest();
        }
    }
    sender.join();
    EXPECT_EQ(acked, record_count);
}

TEST(Producer, TwoOfOneClientDoNotShareTheirSequences) {
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto first = client.producer("test.event");
        send_records(first, 1, acked);
        first.flush();
        auto second = client.producer("test.event");
        send_records(second, 1, acked);
        second.flush();
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    broker.receive_publish();
    broker.answer_oldest();
    sender.join();
    ASSERT_EQ(broker.batches().size(), 2U);
    EXPECT_NE(broker.batches()[0].producer_id, broker.batches()[1].producer_id);
    EXPECT_EQ(broker.batches()[1].base_sequence, 0);
    EXPECT_EQ(acked, 2U);
}

}  // namespace
}  // namespace millrace::client
