#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crash/crash_life.hpp"

// Segments are rewritten, ordered by partition and without what was dropped. At every call that
// reaches the disk meanwhile a write fails or the power goes, with the index or without it:
// whatever was acked is there afterwards, in its order by partition and in the order of the log.

namespace millrace::storage::testing {
namespace {

using ::testing::Gt;
using ::testing::IsEmpty;

constexpr std::uint32_t partitions = 3;
constexpr PartitionId clustered{0};
constexpr PartitionId dropped{2};
constexpr int rounds = 130;
constexpr int turns = 30;

/// One life of a log that is being rewritten, on a disk of its own.
class Script : public CrashLife {
  public:
    Script(std::uint64_t seed, Index index) : CrashLife(seed, index) {
        fixture.options.rewrite_below_live_percent = 50;
    }

    void publish() {
        for (int round = 0; round < rounds; ++round) {
            for (std::uint32_t p = 0; p < partitions; ++p) {
                const auto text =
                    std::to_string(p) + ":" + std::to_string(next_++) + std::string(700, '.');
                ASSERT_TRUE(fixture.publish(PartitionId{p}, text));
                published_.push_back(text);
            }
            fixture.run();
        }
    }
    /// What makes segments worth a rewrite, and time for it.
    void rewrite() {
        fixture.store->set_clustered(clustered, true);
        for (int turn = 0; turn < turns && !fixture.failure; ++turn) {
            if (turn == turns / 2) {
                (void)fixture.store->drop_partition(dropped);
            }
            fixture.clock.advance(std::chrono::milliseconds(500));
            fixture.run();
        }
    }
    void check() {
        EXPECT_EQ(fixture.store->stats().frames_quarantined, 0U);
        for (std::uint32_t p = 0; p < partitions; ++p) {
            const PartitionId id{p};
            const auto found = fixture.read_all(id);
            EXPECT_THAT(found.damaged, IsEmpty());
            if (id != dropped) {
                EXPECT_EQ(found.values, fixture.acked[id]) << "partition " << p;
            }
        }
        EXPECT_EQ(without_dropped(fixture.scan_all(0).values), without_dropped(published_));
    }

  private:
    static std::vector<std::string> without_dropped(std::vector<std::string> values) {
        std::erase_if(values, [](const std::string& text) {
            return text.starts_with(std::to_string(dropped.value) + ":");
        });
        return values;
    }

    std::vector<std::string> published_;
    int next_ = 0;
};

class RewriteCrash : public ::testing::TestWithParam<CrashCase> {};

TEST_P(RewriteCrash, EverythingAckedIsThereWhicheverCallWasTheLast) {
    std::uint64_t calls = 0;
    {
        Script whole(1, GetParam().index);
        ASSERT_TRUE(whole.fixture.open());
        whole.publish();
        const auto before = whole.fixture.disk.call_count();
        whole.rewrite();
        calls = whole.fixture.disk.call_count() - before;
        whole.check();
        ASSERT_THAT(whole.fixture.rewritten_segments(), Gt(6U));
    }
    // With an index on disk each life takes long.
    const std::uint64_t step = GetParam().index == Index::lost ? calls_step : 5;
    for (std::uint64_t number = 0; number < calls && !HasFailure(); number += step) {
        SCOPED_TRACE("call " + std::to_string(number) + " of " + std::to_string(calls));
        Script script(number + 1, GetParam().index);
        ASSERT_TRUE(script.fixture.open());
        script.publish();
        script.fixture.disk.fail_call(number, EIO, GetParam().failure);
        script.rewrite();
        script.end(GetParam().failure);
        ASSERT_TRUE(script.fixture.open());
        script.check();
        script.rewrite();
        script.check();
        script.fixture.crash();
        ASSERT_TRUE(script.fixture.open());
        script.check();
    }
}

INSTANTIATE_TEST_SUITE_P(Disk, RewriteCrash, ::testing::ValuesIn(crash_cases()), CrashName());

}  // namespace
}  // namespace millrace::storage::testing
