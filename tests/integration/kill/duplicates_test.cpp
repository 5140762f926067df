// Publishes the same events again around SIGKILL: each is there once, and every ack names its first
// place.

#include <future>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/kill/daemon.hpp"

#include "millrace/client.hpp"

namespace millrace::testing {
namespace {

constexpr const char* topic_name = "kill.test.event.once";
constexpr std::uint32_t partition_count = 4;
constexpr int key_count = 16;

class OncePerEvent : public ::testing::Test {
  protected:
    void SetUp() override {
        daemon.start();
        Client client{{.brokers = daemon.address()}};
        client.admin().create_topic({.name = topic_name, .partition_count = partition_count});
    }

    /// Publishes events [begin, end) through a producer of its own.
    std::vector<RecordPlace> publish(int begin, int end, Compression compression) {
        Client client{{.brokers = daemon.address()}};
        auto producer = client.producer(topic_name, {.compression = compression});
        std::vector<std::future<RecordPlace>> acks;
        for (int number = begin; number < end; ++number) {
            const auto text = std::to_string(number);
            acks.push_back(producer.send({.key = std::to_string(number % key_count),
                                          .value = text,
                                          .headers = {{.key = "event-id", .value = text}}}));
        }
        std::vector<RecordPlace> places;
        places.reserve(acks.size());
        for (auto& ack : acks) {
            places.push_back(ack.get());
        }
        return places;
    }
    /// How often each value is there.
    std::map<std::string, int> counts() {
        Client client{{.brokers = daemon.address()}};
        auto consumer = client.consumer({.topics = {topic_name}, .group = {}, .start = {}});
        std::map<std::string, int> found;
        while (!consumer.is_caught_up()) {
            for (const auto& record : consumer.poll(std::chrono::milliseconds(200))) {
                ++found[std::string(record.value)];
            }
        }
        return found;
    }
    static void expect_same(const RecordPlace& again, const RecordPlace& first) {
        EXPECT_TRUE(again.duplicate);
        EXPECT_EQ(again.partition, first.partition);
        EXPECT_EQ(again.offset, first.offset);
        EXPECT_EQ(again.append_time_us, first.append_time_us);
    }

    Daemon daemon{{"--segment-bytes", "4MiB", "--shards", "2"}};
};

TEST_F(OncePerEvent, AcksNameTheFirstPlaceAlsoInBatchesThatMixAndBehindSigkill) {
    constexpr int half = 2'000;
    auto first = publish(0, half, Compression::none);
    daemon.kill();
    daemon.start();
    // Every batch now mixes what is known with what is new.
    auto mixed_begin = half / 2;
    const auto mixed = publish(mixed_begin, half + half / 2, Compression::zstd);
    for (int number = mixed_begin; number < half; ++number) {
        expect_same(mixed[static_cast<std::size_t>(number - mixed_begin)],
                    first[static_cast<std::size_t>(number)]);
    }
    for (auto place = mixed.begin() + (half - mixed_begin); place != mixed.end(); ++place) {
        EXPECT_FALSE(place->duplicate);
        first.push_back(*place);
    }
    daemon.kill();
    daemon.start();
    const auto again = publish(0, half + half / 2, Compression::none);
    for (std::size_t i = 0; i < again.size(); ++i) {
        expect_same(again[i], first[i]);
    }
    const auto found = counts();
    EXPECT_EQ(found.size(), first.size());
    for (const auto& [value, count] : found) {
        EXPECT_EQ(count, 1) << value;
    }
    EXPECT_EQ(daemon.stop(), 0) << daemon.log_text();
}

}  // namespace
}  // namespace millrace::testing
