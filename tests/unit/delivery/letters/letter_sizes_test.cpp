#include <numeric>

#include <gmock/gmock.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/letters/letter_limits.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Delivery over a log whose commits are as large as those of a broker.
class LetterSizes : public testing::EngineWorld {
  protected:
    LetterSizes() {
        fixture_.options.store.segment_bytes = 16_MiB;
        fixture_.options.store.commit_bytes_max = 2_MiB;
        fixture_.options.store.tail_cache_bytes_max = 8_MiB;
        restart();
    }
    /// Publishes a record that has so many bytes unpacked; its value comes back.
    std::string publish_packed(PartitionId partition, std::size_t bytes) {
        wire::RecordView record{.key = key, .value = {}, .headers = {}, .event_time_us = 1'000};
        record.headers.push_back({.key = "correlation-id", .value = correlation});
        std::string value(bytes - wire::unpacked_record_bytes(record), 'v');
        record.value = value;
        value.resize(value.size() - (wire::unpacked_record_bytes(record) - bytes));
        record.value = value;
        EXPECT_EQ(wire::unpacked_record_bytes(record), bytes);
        wire::RecordBatchBuilder builder;
        builder.add(record);
        const auto batch = builder.finish({}, wire::Codec::zstd).value();
        const auto answer = fixture_.publish_now(partition, batch);
        EXPECT_EQ(answer.outcome.code, Errc::ok) << answer.text;
        return value;
    }
    Result<std::uint64_t> change(LetterSelection selection, LetterEdit edit) {
        auto answer = std::make_shared<Result<std::uint64_t>>(fail(Errc::timed_out, "no answer"));
        selection.query.subscription = "sink";
        delivery_->letters().change(std::move(selection), std::move(edit), [answer](auto changed) {
            *answer = std::move(changed);
        });
        run();
        return *answer;
    }

    // A long key and a long correlation id: a letter names them once more.
    const std::string key = std::string(100'000, 'k');
    const std::string correlation = std::string(100'000, 'c');
};

TEST_F(LetterSizes, LargestRecordBecomesALetterIsMendedAndGoesOutAgain) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    const auto value = publish_packed(partition, wire::unpacked_record_bytes_max);
    const auto inbox = open(1);
    auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, value);
    nack(1, got[0], Cause::mapping, std::string(10'000, 'e'));
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].correlation_id.size(), letter_correlation_bytes_max);
    EXPECT_EQ(progress().circuit, Circuit::closed);

    const auto mended = std::string(value.size(), 'w');
    LetterEdit edit{.kind = LetterEdit::Kind::redrive};
    edit.value = mended;
    const auto changed = change({.by = "me", .reason = "mended"}, edit);
    ASSERT_TRUE(changed) << changed.error().text;
    got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, mended);
    ack(1, got);
    EXPECT_EQ(letters()[0].state, LetterState::resolved);
    restart();
    EXPECT_EQ(letters()[0].state, LetterState::resolved);
}

TEST_F(LetterSizes, WhatAReplayAddsDoesNotMakeARecordTooLarge) {
    const auto partition = fixture_.make_topic(replay_topic_of("sink")).front();
    create({});
    publish_packed(partition, letter_record_bytes_max);
    const auto inbox = open(1);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    nack(1, got[0], Cause::mapping);
    EXPECT_THAT(letters(), SizeIs(1));
}

TEST_F(LetterSizes, MendedRecordAboveTheLimitIsRefusedAndTheLetterStaysAsItWas) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "K", .value = "small"}});
    const auto inbox = open(1);
    nack(1, inbox->take().at(0), Cause::mapping);
    LetterEdit edit{.kind = LetterEdit::Kind::edit};
    edit.value = std::string(letter_record_bytes_max, 'v');
    const auto refused = change({.by = "me"}, edit);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::record_too_large);
    EXPECT_THAT(refused.error().text, HasSubstr("limit letter_record_bytes_max is 1573888"));
    edit = {.kind = LetterEdit::Kind::redrive};
    edit.transform = R"(.value = "x" * 2000000)";
    EXPECT_EQ(change({.by = "me"}, edit).error().code, Errc::record_too_large);
    EXPECT_EQ(letters()[0].state, LetterState::open);
    ASSERT_TRUE(change({.by = "me"}, {.kind = LetterEdit::Kind::redrive}));
    EXPECT_THAT(inbox->take_values(), ElementsAre("small"));
}

TEST_F(LetterSizes, WordsOfAnActionHaveALimit) {
    create({});
    const auto words = [this](std::size_t bytes) {
        return change({.by = "me", .reason = std::string(bytes - 2, 'r')},
                      {.kind = LetterEdit::Kind::discard});
    };
    EXPECT_TRUE(words(letter_action_bytes_max));
    EXPECT_THAT(words(letter_action_bytes_max + 1).error().text,
                HasSubstr("limit letter_action_bytes_max is 65536"));
}

TEST_F(LetterSizes, ManyLargeLettersAtOnceDoNotEndTheShard) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.order = Order::none;
    create(info);
    for (int i = 0; i < 50; ++i) {
        publish_packed(partition, wire::unpacked_record_bytes_max);
    }
    const auto inbox = open(1);
    Settlement settlement;
    for (const auto& got : inbox->take()) {
        settlement.nacks.push_back({.delivery_id = got.id, .cause = Cause::mapping, .delay = {}});
    }
    ASSERT_THAT(settlement.nacks, SizeIs(50));
    bool is_done = false;
    delivery_->subscriptions().settle(
        1, std::move(settlement), [&](const auto& stale) { is_done = stale.has_value(); });
    run();
    EXPECT_TRUE(is_done);
    EXPECT_THAT(letters(), SizeIs(50));
    EXPECT_FALSE(fixture_.shard->failure());
}

TEST_F(LetterSizes, NamedLettersChangePageByPageUpToTheLimit) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.order = Order::none;
    create(info);
    publish(partition, std::vector<Outgoing>(600));
    const auto inbox = open(1, 600);
    Settlement settlement;
    for (const auto& got : inbox->take()) {
        settlement.nacks.push_back({.delivery_id = got.id, .cause = Cause::mapping, .delay = {}});
    }
    delivery_->subscriptions().settle(1, std::move(settlement), [](const auto&) {});
    run();
    std::vector<std::uint64_t> ids;
    const auto page = delivery_->letters().list({.subscription = "sink", .limit = 1'000});
    for (const auto& letter : page.value().letters) {
        ids.push_back(letter.id);
    }
    ASSERT_THAT(ids, SizeIs(600));
    ids.push_back(1);  // there is none
    const LetterEdit discard{.kind = LetterEdit::Kind::discard};
    auto done = change({.ids = ids, .by = "me", .reason = "no", .limit = 300}, discard);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done.value(), 300U);
    done = change({.ids = ids, .by = "me", .reason = "no"}, discard);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(done.value(), 300U) << "the others";
}

TEST_F(LetterSizes, AChangeNamesALimitedNumberOfLetters) {
    create({});
    const auto changed = [this](std::size_t count) {
        std::vector<std::uint64_t> ids(count);
        std::iota(ids.begin(), ids.end(), 1U);
        return change({.ids = std::move(ids), .by = "me", .reason = "no"},
                      {.kind = LetterEdit::Kind::discard});
    };
    EXPECT_TRUE(changed(letter_ids_max));
    EXPECT_THAT(changed(letter_ids_max + 1).error().text,
                HasSubstr("limit letter_ids_max is 100000"));
}

TEST_F(LetterSizes, CommitOfAGroupHasALimit) {
    const auto commit = [this](std::string group, std::size_t count) {
        OffsetCommit request{.group = std::move(group), .member_id = {}, .offsets = {}};
        request.offsets.resize(count, {.partition = PartitionId{1}, .offset = Offset{~0ULL}});
        for (std::uint32_t i = 0; i < count; ++i) {
            request.offsets[i].partition.value = 4'000'000'000 - i;
        }
        auto answer = std::make_shared<Result<void>>(fail(Errc::timed_out, "no answer"));
        delivery_->groups().commit(std::move(request), [answer](auto done) { *answer = done; });
        run();
        return *answer;
    };
    const auto largest = commit(std::string(249, 'g'), 100'000);
    EXPECT_EQ(largest.error().code, Errc::unknown_partition) << largest.error().text;
    EXPECT_THAT(commit("g", 100'001).error().text,
                HasSubstr("limit offsets_per_commit_max is 100000"));
    EXPECT_THAT(commit(std::string(250, 'g'), 1).error().text,
                HasSubstr("limit group_name_bytes_max is 249"));
    EXPECT_FALSE(commit("", 1));
}

TEST_F(LetterSizes, LargestCommitOfAGroupFitsIntoTheLog) {
    OffsetCommand command{.group = std::string(249, 'g'), .offsets = {}};
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        command.offsets.push_back(
            {.partition = PartitionId{4'000'000'000U - i}, .offset = Offset{~0ULL}});
    }
    Result<void> applied = fail(Errc::timed_out, "no answer");
    fixture_.shard->propose(format_command(command), [&](const auto& done) { applied = done; });
    run();
    EXPECT_TRUE(applied) << applied.error().text;
}

}  // namespace
}  // namespace millrace::broker::delivery
