#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_life.hpp"

// One script of publishes, state, checkpoints and retention; it is run again for every single call
// that reaches the disk, and at that call the disk fails or the power goes. What was acked must be
// there afterwards, once and in order, and the store must go on.

namespace millrace::storage::testing {
namespace {

constexpr std::uint32_t partitions = 3;
constexpr int rounds = 36;
constexpr std::size_t bytes_step = 400;

/// One life of the script on a disk of its own.
class Script : public CrashLife {
  public:
    using CrashLife::CrashLife;

    void publish(PartitionId partition, const std::string& text) {
        if (fixture.publish(partition, text)) {
            published[partition].push_back(text);
        }
    }

    /// Goes on to the end, or until the store takes nothing any more.
    void run() {
        for (int round = 0; round < rounds && !fixture.failure; ++round) {
            for (std::uint32_t p = 0; p < partitions; ++p) {
                publish(PartitionId{p},
                        std::to_string(round) + std::string(bytes_step * (p + 1), '.'));
            }
            if (round % 4 == 0) {
                fixture.put("cursor", std::to_string(round));
            }
            fixture.run();
            if (round % 9 == 8) {
                (void)fixture.store->checkpoint();
            }
        }
    }

    /// Each partition has what was acked, and behind it at most what was under way.
    void check() {
        EXPECT_EQ(fixture.store->stats().frames_quarantined, 0U);
        for (std::uint32_t p = 0; p < partitions; ++p) {
            const PartitionId id{p};
            const auto found = fixture.read_all(id);
            EXPECT_THAT(found.damaged, ::testing::IsEmpty());
            ASSERT_GE(found.values.size(), fixture.acked[id].size()) << "partition " << p;
            ASSERT_LE(found.values.size(), published[id].size()) << "partition " << p;
            published[id].resize(found.values.size());
            EXPECT_EQ(found.values, published[id]) << "partition " << p;
        }
        const auto acked_cursor = fixture.acked_state.find("cursor");
        if (acked_cursor != fixture.acked_state.end()) {
            const auto cursor = fixture.store->get_state("cursor").value();
            ASSERT_TRUE(cursor.has_value());
            EXPECT_GE(std::stoi(*cursor), std::stoi(acked_cursor->second));
        }
    }

    std::map<PartitionId, std::vector<std::string>> published;
};

class EveryCall : public ::testing::TestWithParam<CrashCase> {};

TEST_P(EveryCall, LosesNothingThatWasAckedAndGoesOn) {
    std::uint64_t calls = 0;
    {
        Script whole(1, GetParam().index);
        ASSERT_TRUE(whole.fixture.open());
        const auto before = whole.fixture.disk.call_count();
        whole.run();
        whole.check();
        calls = whole.fixture.disk.call_count() - before;
    }
    ASSERT_GT(calls, 40U);
    for (std::uint64_t number = 0; number < calls; number += calls_step) {
        SCOPED_TRACE("call " + std::to_string(number) + " of " + std::to_string(calls));
        Script script(number + 1, GetParam().index);
        ASSERT_TRUE(script.fixture.open());
        script.fixture.disk.fail_call(number, EIO, GetParam().failure);
        script.run();
        script.end(GetParam().failure);
        ASSERT_TRUE(script.fixture.open());
        script.check();
        const auto before = script.published;
        script.run();
        script.check();
        EXPECT_GT(script.published[PartitionId{0}].size(), before.at(PartitionId{0}).size());
        if (HasFailure()) {
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Disk, EveryCall, ::testing::ValuesIn(crash_cases()), CrashName());

}  // namespace
}  // namespace millrace::storage::testing
