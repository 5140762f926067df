// Kills the broker with SIGKILL at random moments under load and checks the promise behind every
// ack.

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/kill/daemon.hpp"

#include "millrace/client.hpp"
#include "storage/base/random.hpp"

namespace millrace::testing {
namespace {

constexpr const char* topic_name = "kill.test.event.made";
constexpr std::uint32_t partition_count = 8;
constexpr std::size_t writer_count = 4;

// A round takes several times as long where each memory access is checked.
#ifdef MILLRACE_SANITIZED
constexpr int rounds_fast = 4;
#else
constexpr int rounds_fast = 20;
#endif

int round_count() {
    const char* const profile =
        std::getenv("MILLRACE_TEST_PROFILE");  // NOLINT(concurrency-mt-unsafe)
    return profile != nullptr && std::string_view(profile) == "long" ? 200 : rounds_fast;
}

std::uint64_t test_seed() {
    const char* const given = std::getenv("MILLRACE_TEST_SEED");  // NOLINT(concurrency-mt-unsafe)
    return given != nullptr ? std::strtoull(given, nullptr, 10) : entropy_seed();
}

/// Sends numbers 0, 1, 2, ... under one key and remembers which were acked.
class Writer {
  public:
    Writer(Client& client, std::string key)
        : key_(std::move(key)),
          producer_(
              client.producer(topic_name, {.outstanding_bytes_max = std::size_t{256} * 1024})),
          thread_([this] { run(); }) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    Writer(Writer&&) = delete;
    Writer& operator=(Writer&&) = delete;
    /// When the test ends early: what it ends with must come out.
    ~Writer() { join(); }

    void stop() {
        join();
        producer_.flush();
    }
    [[nodiscard]] std::uint64_t acked_below() const { return acked_below_; }
    [[nodiscard]] const std::string& key() const { return key_; }
    [[nodiscard]] std::string failure() const {
        const std::lock_guard lock(mutex_);
        return failure_;
    }
    [[nodiscard]] std::uint64_t sent() const { return next_; }

  private:
    void join() {
        stopping_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    void run() {
        while (!stopping_) {
            const auto number = next_++;
            // A steady load: the checker reads everything again in every round.
            if (number % 32 == 0) {
                std::this_thread::sleep_for(std::chrono::milliseconds(4));
            }
            producer_.send({.key = key_, .value = std::to_string(number)},
                           [this, number](const RecordPlace&, const std::exception_ptr& error) {
                               settle(number, error);
                           });
        }
    }
    // Acks of one key come in order, so the acked numbers are all below one bound.
    void settle(std::uint64_t number, const std::exception_ptr& error) {
        if (error != nullptr || number != acked_below_) {
            const std::lock_guard lock(mutex_);
            failure_ =
                "record " + std::to_string(number) + (error ? " failed" : " acked out of order");
            return;
        }
        acked_below_ = number + 1;
    }

    std::string key_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> acked_below_{0};
    mutable std::mutex mutex_;
    std::string failure_;
    Producer producer_;  ///< its callbacks use what stands above
    std::thread thread_;
};

/// Reads on from where it stopped and checks that each key counts up by one.
class Checker {
  public:
    void check_all(const std::vector<Record>& records) {
        for (const auto& record : records) {
            check(record);
        }
    }

    /// Reads until every key has reached its bound.
    void read_until(Client& client, const std::map<std::string, std::uint64_t>& acked_below) {
        for (std::uint32_t partition = 0; partition < partition_count; ++partition) {
            auto consumer = client.consumer({.topics = {topic_name},
                                             .group = {},
                                             .start = {},
                                             .start_offset = next_offset_[partition],
                                             .partition = partition});
            while (!consumer.is_caught_up()) {
                check_all(consumer.poll(std::chrono::milliseconds(200)));
            }
            ASSERT_TRUE(consumer.damage().empty());
        }
        for (const auto& [key, bound] : acked_below) {
            EXPECT_GE(next_number_[key], bound) << "acked records of " << key << " are lost";
        }
    }
    [[nodiscard]] std::uint64_t next_number(const std::string& key) { return next_number_[key]; }

  private:
    void check(const Record& record) {
        EXPECT_EQ(record.offset, next_offset_[record.partition])
            << "partition " << record.partition;
        next_offset_[record.partition] = record.offset + 1;
        auto& expected = next_number_[std::string(record.key.value_or(""))];
        const auto number = std::stoull(std::string(record.value));
        EXPECT_EQ(number, expected) << (number < expected ? "doubled or out of order: " : "lost: ")
                                    << record.key.value_or("") << " offset " << record.offset;
        expected = number + 1;
    }

    std::map<std::uint32_t, std::uint64_t> next_offset_;
    std::map<std::string, std::uint64_t> next_number_;
};

std::map<std::string, std::uint64_t> bounds_of(
    const std::vector<std::unique_ptr<Writer>>& writers) {
    std::map<std::string, std::uint64_t> bounds;
    for (const auto& writer : writers) {
        bounds[writer->key()] = writer->acked_below();
    }
    return bounds;
}

TEST(Kill, EveryAckedRecordIsThereOnceAndInOrderAfterSigkill) {
    const auto seed = test_seed();
    SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
    Random random(seed);
    Daemon daemon({"--segment-bytes", "16MiB"});
    daemon.start();
    Client client{{.brokers = daemon.address(), .backoff_max = std::chrono::milliseconds(100)}};
    client.admin().create_topic({.name = topic_name, .partition_count = partition_count});
    std::vector<std::unique_ptr<Writer>> writers;
    for (std::size_t i = 0; i < writer_count; ++i) {
        writers.push_back(std::make_unique<Writer>(client, "writer-" + std::to_string(i)));
    }
    Checker checker;
    const int rounds = round_count();
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(300)));
        daemon.kill();
        const auto acked = bounds_of(writers);
        daemon.start();
        Client reader{{.brokers = daemon.address()}};
        checker.read_until(reader, acked);
    }
    for (const auto& writer : writers) {
        writer->stop();
        EXPECT_EQ(writer->failure(), "");
        EXPECT_EQ(writer->acked_below(), writer->sent());
        EXPECT_GT(writer->sent(), 0U);
    }
    checker.read_until(client, bounds_of(writers));
    Checker from_the_start;
    from_the_start.read_until(client, bounds_of(writers));
    for (const auto& writer : writers) {
        EXPECT_EQ(from_the_start.next_number(writer->key()), writer->sent());
    }
    EXPECT_EQ(daemon.stop(), 0) << daemon.log_text();
}

}  // namespace
}  // namespace millrace::testing
