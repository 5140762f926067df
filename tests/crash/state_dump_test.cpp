#include <algorithm>
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_life.hpp"

// State lies in segments that die, so it is copied forward, by dumps of many frames that go on for
// many turns. At every call that reaches the disk the power goes or a write fails, and with it the
// index: the log alone must still have all of the state, whichever dump was under way.

namespace millrace::storage::testing {
namespace {

constexpr PartitionId records{1};
constexpr int rounds = 5;

/// One life of the script on a disk of its own.
class Script : public CrashLife {
  public:
    explicit Script(std::uint64_t seed) : CrashLife(seed, Index::lost) {
        fixture.options.rebuild_index = true;
        fixture.large_row_bytes = 70'000;  // more than a segment or a commit has
    }

    void run() {
        for (int round = 0; round < rounds && !fixture.failure; ++round) {
            fixture.put("row/" + std::to_string(next_row_++), std::to_string(round));
            for (int i = 0; i < 12; ++i) {
                (void)fixture.publish(records, std::string(7'000, 'r'));
                fixture.run();
            }
            (void)fixture.store->enforce_retention(records,
                                                   {.age_max = std::nullopt, .bytes_max = 1'000});
            fixture.run_turns(4);
        }
    }

    /// Every row that was acked is there, and the large one is of one piece with its checkpoint; no
    /// offset is given out twice.
    void check() {
        EXPECT_GE(fixture.store->bounds(records).next.value, fixture.acked[records].size());
        for (const auto& [key, value] : fixture.acked_state) {
            EXPECT_EQ(fixture.store->get_state(key).value(), value) << key;
        }
        const auto applied = fixture.store->get_state("applied").value();
        const auto large = fixture.store->get_state("large").value();
        ASSERT_EQ(applied.has_value(), large.has_value());
        if (large) {
            EXPECT_EQ(*large, std::string(fixture.large_row_bytes, applied->back()));
        }
    }

  private:
    int next_row_ = 0;
};

std::size_t segments_of(const Script& script) {
    return static_cast<std::size_t>(
        std::ranges::count_if(script.fixture.disk.paths(), [](const std::string& path) {
            return path.ends_with(".seg") && path.find("/free/") == std::string::npos;
        }));
}

class StateDumpCrash : public ::testing::TestWithParam<SimDisk::Failure> {};

TEST_P(StateDumpCrash, LogAloneHasTheStateWhicheverCallWasTheLast) {
    std::uint64_t calls = 0;
    {
        Script whole(1);
        ASSERT_TRUE(whole.fixture.open());
        const auto before = whole.fixture.disk.call_count();
        whole.run();
        calls = whole.fixture.disk.call_count() - before;
        ASSERT_GE(whole.fixture.state_dumps(), 2U);
        ASSERT_LT(segments_of(whole), 12U) << "nothing was recycled";
    }
    for (std::uint64_t number = 0; number < calls && !HasFailure(); number += calls_step) {
        SCOPED_TRACE("call " + std::to_string(number) + " of " + std::to_string(calls));
        Script script(number + 1);
        ASSERT_TRUE(script.fixture.open());
        script.fixture.disk.fail_call(number, EIO, GetParam());
        script.run();
        script.end(GetParam());
        ASSERT_TRUE(script.fixture.open());
        script.check();
        script.run();
        script.fixture.crash();
        ASSERT_TRUE(script.fixture.open());
        script.check();
    }
}

INSTANTIATE_TEST_SUITE_P(Disk,
                         StateDumpCrash,
                         ::testing::Values(SimDisk::Failure::for_good, SimDisk::Failure::once),
                         CrashName());

}  // namespace
}  // namespace millrace::storage::testing
