#include "broker/delivery/progress/durable_progress.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "broker/delivery/progress/settled_runs.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

const std::string prefix = "q/7/3";

/// Rows as a store would have them, and how many a checkpoint touched.
class Rows final : public storage::StateWriter {
  public:
    void put(std::string_view key, std::string_view value) override {
        rows_[std::string(key)] = value;
        ++writes_;
    }
    void erase(std::string_view key) override {
        rows_.erase(std::string(key));
        ++writes_;
    }
    [[nodiscard]] DurableProgress restored() const {
        DurableProgress progress;
        for (const auto& [key, row] : rows_) {
            const auto outcome = progress.restore(std::string_view(key).substr(prefix.size()), row);
            EXPECT_TRUE(outcome) << outcome.error().text;
        }
        return progress;
    }
    std::size_t take_writes() { return std::exchange(writes_, 0); }
    [[nodiscard]] std::size_t size() const { return rows_.size(); }

  private:
    std::map<std::string, std::string> rows_;
    std::size_t writes_ = 0;
};

void expect_same(const DurableProgress& one, const DurableProgress& other) {
    EXPECT_EQ(one.epoch(), other.epoch());
    EXPECT_EQ(one.origin(), other.origin());
    EXPECT_EQ(one.settled().floor(), other.settled().floor());
    EXPECT_EQ(one.settled().ranges(), other.settled().ranges());
    ASSERT_EQ(one.retries().size(), other.retries().size());
    for (const auto& [offset, retry] : one.retries()) {
        const auto* const found = other.find_retry(offset);
        ASSERT_NE(found, nullptr);
        EXPECT_EQ(found->attempts, retry.attempts);
        EXPECT_EQ(found->not_before_us, retry.not_before_us);
        EXPECT_EQ(found->first_failure_us, retry.first_failure_us);
        ASSERT_EQ(found->reasons.size(), retry.reasons.size());
        for (std::size_t i = 0; i < retry.reasons.size(); ++i) {
            EXPECT_EQ(found->reasons[i].last_us, retry.reasons[i].last_us);
            EXPECT_EQ(found->reasons[i].count, retry.reasons[i].count);
            EXPECT_EQ(found->reasons[i].cause, retry.reasons[i].cause);
            EXPECT_EQ(found->reasons[i].error, retry.reasons[i].error);
        }
    }
}

std::vector<FailedAttempts> some_reasons(Random& random) {
    std::vector<FailedAttempts> reasons;
    for (auto left = random.below(2 * failed_reasons_max); left > 0; --left) {
        note_failure(reasons,
                     {.last_us = static_cast<UnixMicros>(left),
                      .count = static_cast<std::uint32_t>(random.next()),
                      .cause = random.chance(0.5) ? Cause::transient : Cause::outcome_unknown,
                      .error = std::string(random.below(failed_error_bytes_max), '\xff')});
    }
    return reasons;
}

void change(DurableProgress& progress, Random& random) {
    const Offset offset{progress.settled().floor().value + random.below(40'000)};
    if (random.chance(0.4)) {
        progress.keep_retry(offset,
                            {.attempts = static_cast<std::uint32_t>(random.below(9)),
                             .not_before_us = static_cast<UnixMicros>(random.next() >> 2U),
                             .first_failure_us = 5,
                             .reasons = some_reasons(random)});
    } else if (random.chance(0.01)) {
        progress.begin(progress.epoch() + 1, offset);
    } else {
        const bool is_long = random.chance(0.1);
        progress.settle(random.chance(0.2) ? progress.settled().floor() : offset,
                        1 + random.below(is_long ? 20'000 : 50));
    }
}

void change_and_restore(std::uint64_t seed) {
    Random random(seed);
    Rows rows;
    DurableProgress progress;
    progress.begin(0, Offset{random.below(100)});
    for (int i = 0; i < 300; ++i) {
        change(progress, random);
        if (random.chance(0.1)) {
            progress.write(prefix, rows);
            expect_same(progress, rows.restored());
        }
    }
}

TEST(DurableProgress, RandomChangesComeBackFromTheirRows) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        change_and_restore(seed);
    }
}

TEST(DurableProgress, ACheckpointWritesWhatHasChangedHoweverManyRetriesThereAre) {
    Rows rows;
    DurableProgress progress;
    progress.begin(0, Offset{0});
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        progress.keep_retry(Offset{2 * i}, {.attempts = 1, .not_before_us = 1});
        progress.settle(Offset{2 * i + 1}, 1);
    }
    progress.write(prefix, rows);
    EXPECT_GT(rows.take_writes(), 100'000U);
    progress.keep_retry(Offset{10}, {.attempts = 2, .not_before_us = 2});
    progress.settle(Offset{20}, 1);
    progress.write(prefix, rows);
    EXPECT_LE(rows.take_writes(), 4U);
    progress.write(prefix, rows);
    EXPECT_EQ(rows.take_writes(), 0U);
    expect_same(progress, rows.restored());
    progress.settle(Offset{0}, 200'000);
    progress.write(prefix, rows);
    EXPECT_EQ(rows.size(), 1U) << "behind the floor nothing is left";
}

TEST(DurableProgress, RowsOfTheEarlierFormAreReadAndReplaced) {
    std::string row;
    nlohmann::json::to_cbor({{"epoch", 2},
                             {"origin", 10},
                             {"floor", 20},
                             {"ranges", {{25, 5}, {40, 1}}},
                             {"retries", {{22, 3, 1'000, 900}}}},
                            row);
    DurableProgress progress;
    ASSERT_TRUE(progress.restore("", row));
    EXPECT_EQ(progress.epoch(), 2U);
    EXPECT_EQ(progress.settled().floor(), Offset{20});
    EXPECT_TRUE(progress.settled().contains(Offset{29}));
    EXPECT_FALSE(progress.settled().contains(Offset{30}));
    ASSERT_NE(progress.find_retry(Offset{22}), nullptr);
    EXPECT_EQ(progress.find_retry(Offset{22})->attempts, 3U);
    Rows rows;
    progress.write(prefix, rows);
    EXPECT_EQ(rows.size(), 3U);
    expect_same(progress, rows.restored());
}

TEST(DurableProgress, UnreadableRowsAreRefusedAndHarmNothing) {
    DurableProgress progress;
    progress.begin(0, Offset{0});
    EXPECT_FALSE(progress.restore("", "no cbor"));
    EXPECT_FALSE(progress.restore("/r/zz", "abc"));
    EXPECT_FALSE(progress.restore("/r/0000000000000001", "\xff"));
    EXPECT_FALSE(progress.restore("/s/0000000000000000", "\x02"));
    EXPECT_FALSE(progress.restore("/s/ffffffffffffffff", ""));
    EXPECT_FALSE(progress.restore("/s/0000000000000000", "\xfe\xff\x7f\x02")) << "beyond its chunk";
    EXPECT_FALSE(progress.restore("/t/1", ""));
    EXPECT_TRUE(progress.retries().empty());
}

TEST(SettledRuns, NeighboursBecomeOneRunInWhateverOrderTheyCome) {
    SettledRuns runs;
    for (const std::uint64_t offset : {7U, 3U, 5U, 4U, 6U, 20U}) {
        runs.add(Offset{offset});
    }
    runs.add(Offset{8}, 2);
    const std::vector<SettledRuns::Run> expected{{Offset{3}, 7}, {Offset{20}, 1}};
    EXPECT_EQ(runs.take(), expected);
    EXPECT_TRUE(runs.is_empty());
}

}  // namespace
}  // namespace millrace::broker::delivery
