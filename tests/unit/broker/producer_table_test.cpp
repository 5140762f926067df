#include "broker/shard/intake/producer_table.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

auto below(std::uint64_t offset) {
    return [offset](const AcceptedBatch& batch) { return batch.base_offset < Offset{offset}; };
}

constexpr std::int32_t in_flight_max = wire::producer_batches_in_flight_max;

/// Batches of ten records: number 0 has the sequences 0 to 9.
ProducerBatch batch_number(std::int32_t number) {
    return {.producer_id = 7, .epoch = 0, .base_sequence = number * 10, .record_count = 10};
}

ProducerTable table_with(std::int32_t count) {
    ProducerTable table(10);
    for (std::int32_t number = 0; number < count; ++number) {
        table.add(batch_number(number),
                  {.base_offset = Offset{static_cast<std::uint64_t>(number) * 10}});
    }
    return table;
}

TEST(ProducerTable, EveryBatchThatMayBeUnansweredIsRecognised) {
    const auto table = table_with(20);
    for (std::int32_t number = 20 - in_flight_max; number < 20; ++number) {
        const auto judgement = table.judge(batch_number(number));
        EXPECT_EQ(judgement.verdict, ProducerTable::Verdict::duplicate) << number;
        EXPECT_EQ(judgement.first.base_offset.value, static_cast<std::uint64_t>(number) * 10);
    }
    EXPECT_EQ(table.judge(batch_number(19 - in_flight_max)).verdict,
              ProducerTable::Verdict::too_old);
    EXPECT_EQ(table.judge(batch_number(20)).verdict, ProducerTable::Verdict::fresh);
}

TEST(ProducerTable, AGapAndAnOldEpochAreNotTaken) {
    auto table = table_with(2);
    const auto gap = table.judge(batch_number(3));
    EXPECT_EQ(gap.verdict, ProducerTable::Verdict::gap);
    EXPECT_EQ(gap.expected_sequence, 20);
    auto next_epoch = batch_number(0);
    next_epoch.epoch = 1;
    EXPECT_EQ(table.judge(next_epoch).verdict, ProducerTable::Verdict::fresh);
    table.add(next_epoch, {});
    EXPECT_EQ(table.judge(batch_number(2)).verdict, ProducerTable::Verdict::too_old);
}

TEST(ProducerTable, AnEpochBeginsWithItsFirstBatch) {
    const auto table = table_with(2);
    auto second = batch_number(1);
    second.epoch = 1;
    EXPECT_EQ(table.judge(second).verdict, ProducerTable::Verdict::gap);
    EXPECT_EQ(table.judge(second).expected_sequence, 0);
}

TEST(ProducerTable, RowsBringEveryRememberedBatchBack) {
    const auto row = table_with(20).format(below(1'000));
    ProducerTable restored(10);
    ASSERT_TRUE(restored.parse(row));
    EXPECT_EQ(restored.judge(batch_number(20 - in_flight_max)).verdict,
              ProducerTable::Verdict::duplicate);
    EXPECT_EQ(restored.judge(batch_number(20)).verdict, ProducerTable::Verdict::fresh);
    // What lies at or above the end of what is committed is not known after a crash.
    ProducerTable cut(10);
    ASSERT_TRUE(cut.parse(table_with(20).format(below(190))));
    EXPECT_EQ(cut.judge(batch_number(19)).verdict, ProducerTable::Verdict::fresh);
}

TEST(ProducerTable, TheLongestSilentProducerIsForgottenAtTheLimit) {
    ProducerTable table(2);
    for (const std::int64_t id : {1, 2, 3}) {
        table.add({.producer_id = id, .epoch = 0, .base_sequence = 0, .record_count = 1}, {});
    }
    EXPECT_EQ(table.size(), 2U);
    const ProducerBatch first{.producer_id = 1, .epoch = 0, .base_sequence = 0, .record_count = 1};
    EXPECT_EQ(table.judge(first).verdict, ProducerTable::Verdict::fresh);
}

TEST(ProducerTable, WhoPublishesInTurnsAndOneAtATimeIsKnownAlike) {
    ProducerTable table(2);
    const auto batch_of = [](std::int64_t id, std::int32_t sequence) {
        return ProducerBatch{
            .producer_id = id, .epoch = 0, .base_sequence = sequence, .record_count = 1};
    };
    for (const std::int64_t id : {1, 2, 1, 1, 2, 2}) {
        table.add(batch_of(id, id == 1 ? 5 : 9), {});
        EXPECT_EQ(table.judge(batch_of(1, 5)).verdict, ProducerTable::Verdict::duplicate);
    }
    EXPECT_EQ(table.judge(batch_of(2, 10)).verdict, ProducerTable::Verdict::fresh);
    // The longest silent one goes, although it was found without a look into the tables before.
    table.add(batch_of(1, 6), {});
    table.add(batch_of(3, 0), {});
    EXPECT_EQ(table.judge(batch_of(2, 9)).verdict, ProducerTable::Verdict::fresh);
    EXPECT_EQ(table.judge(batch_of(1, 6)).verdict, ProducerTable::Verdict::duplicate);
    EXPECT_EQ(table.size(), 2U);
}

TEST(ProducerTable, LostProposalOfWhoPublishedLastIsForgotten) {
    auto table = table_with(1);
    table.add(batch_number(1), {.base_offset = Offset{10}, .proposal = 42});
    table.drop_proposal(42);
    EXPECT_EQ(table.judge(batch_number(1)).verdict, ProducerTable::Verdict::fresh);
    EXPECT_EQ(table.judge(batch_number(0)).verdict, ProducerTable::Verdict::duplicate);
    table.drop_proposal(0);
    EXPECT_EQ(table.size(), 0U);
    EXPECT_EQ(table.judge(batch_number(7)).verdict, ProducerTable::Verdict::fresh);
    table.add(batch_number(7), {});
    EXPECT_EQ(table.judge(batch_number(8)).verdict, ProducerTable::Verdict::fresh);
}

}  // namespace
}  // namespace millrace::broker
