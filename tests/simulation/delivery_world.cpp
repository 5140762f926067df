#include "tests/simulation/delivery_world.hpp"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "tests/simulation/log_records.hpp"

#include "broker/catalog/replay_topic.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::simulation {
namespace {

using broker::IfExists;
using broker::StartAt;
using broker::delivery::LetterSelection;
using broker::delivery::Nack;
using broker::delivery::Settlement;

const std::string subscription = WorldJobs::subscription;
const std::string passing_topic = "b.c";
constexpr std::uint32_t partition_count = 2;
constexpr std::uint64_t key_count = 4;  ///< one more has no key
constexpr DeliveryModel::Rules rules{.attempts_max = 3, .ack_timeout = Duration{5'000'000}};
constexpr std::uint64_t unwanted_every = 7;  ///< the filter takes all values but each seventh

/// In two thirds of the worlds parked records are read again, all of them or some.
std::size_t parked_bytes_of(std::uint64_t seed) {
    static constexpr std::array<std::size_t, 3> sizes{0, 500, 4'000'000};
    return sizes[seed % sizes.size()];
}

/// Half of the worlds bound what is in flight over the whole subscription.
DeliveryModel::Rules rules_of(std::uint64_t seed) {
    auto own = rules;
    own.concurrency_max = seed % 2 == 0 ? 0 : 5;
    return own;
}

std::string text_of(RecordId id) {
    return std::to_string(id.partition.value) + "@" + std::to_string(id.offset.value);
}

}  // namespace

/// Tells the model what it gets.
class DeliveryWorld::Consumer final : public broker::delivery::DeliveryTarget {
  public:
    Consumer(DeliveryWorld& world, SessionId session) : world_(world), session_(session) {}
    void on_deliveries(ShardId /*shard*/, std::span<const Delivery> deliveries) override {
        for (const auto& delivery : deliveries) {
            world_.tell("  delivered " +
                        text_of({.partition = delivery.partition, .offset = delivery.offset}) +
                        " attempt " + std::to_string(delivery.attempt));
            world_.learn_replayed(delivery);
            world_.model_.deliver(session_, delivery, world_.now());
        }
    }
    void on_ended(ShardId /*shard*/, const Error& /*reason*/) override {}
    [[nodiscard]] SessionId session() const { return session_; }

  private:
    DeliveryWorld& world_;
    SessionId session_;
};

DeliveryWorld::DeliveryWorld(std::uint64_t seed)
    : random_(seed),
      rules_(rules_of(seed)),
      model_(rules_),
      fixture_(seed, [this, seed](broker::Shard& shard) {
          delivery_.reset();
          delivery_ = broker::delivery::make_delivery_shard(
              shard, delivery_table_, {.parked_bytes_max = parked_bytes_of(seed)});
      }) {
    partitions_ = fixture_.make_topic("a.b", partition_count);
    passing_ = fixture_.make_topic(passing_topic, partition_count);
    filler_ = fixture_.make_topic("filler").front();
    fixture_.make_topic(WorldJobs::copy_topic, partition_count);
    create_subscription();
    onlooker_ = std::make_unique<Onlooker>(fixture_, partitions_);
    onlooker_->create_subscription();
    onlooker_->start(*delivery_);
    jobs_ = std::make_unique<WorldJobs>(
        WorldJobs::World{.fixture = fixture_,
                         .model = model_,
                         .random = random_,
                         .tell = [this](std::string what) { tell(std::move(what)); },
                         .sources = partitions_});
    jobs_->start(*delivery_);
}

DeliveryWorld::~DeliveryWorld() {
    jobs_.reset();
    delivery_.reset();
}

std::vector<std::string> DeliveryWorld::violations() const {
    auto all = model_.violations();
    std::ranges::copy(violations_, std::back_inserter(all));
    std::ranges::copy(jobs_->violations(), std::back_inserter(all));
    std::ranges::copy(onlooker_->violations(), std::back_inserter(all));
    return all;
}

void DeliveryWorld::create_subscription() const {
    broker::SubscriptionInfo info;
    info.name = subscription;
    info.topics = {"a.b", passing_topic};
    info.window = 16;
    info.attempts_max = rules.attempts_max;
    info.ack_timeout_ms = static_cast<std::uint32_t>(rules.ack_timeout.count() / 1000);
    info.backoff_min_ms = 100;
    info.backoff_max_ms = 2'000;
    info.filter = ".value % " + std::to_string(unwanted_every) + " != 0";
    info.concurrency = static_cast<std::uint32_t>(rules_.concurrency_max);
    fixture_.shard->catalog().create_subscription(
        info, IfExists::fail, [](const auto& done) { ASSERT_TRUE(done) << done.error().text; });
    fixture_.runtime->run_until_idle();
}

broker::delivery::Subscriptions& DeliveryWorld::subscriptions() {
    return delivery_->subscriptions();
}

DeliveryModel::Letters DeliveryWorld::letters() {
    DeliveryModel::Letters newest;
    for (auto& letter : all_letters(*delivery_, subscription)) {
        newest[{.partition = letter.partition, .offset = letter.offset}] = std::move(letter);
    }
    return newest;
}

DeliveryWorld::Consumer* DeliveryWorld::any_consumer() {
    if (consumers_.empty()) {
        return nullptr;
    }
    const auto chosen = static_cast<std::ptrdiff_t>(random_.below(consumers_.size()));
    return std::next(consumers_.begin(), chosen)->second.get();
}

void DeliveryWorld::settle_down() {
    if (!is_hasty_) {
        fixture_.runtime->run_until_idle();
        return;
    }
    for (auto turns = random_.below(6); turns > 0; --turns) {
        fixture_.runtime->turn();
    }
}

void DeliveryWorld::publish() {
    for (auto count = 1 + random_.below(6); count > 0; --count) {
        const auto partitions = all_partitions();
        publish_to(partitions[random_.below(partitions.size())]);
    }
    settle_down();
}

void DeliveryWorld::publish_to(PartitionId partition) {
    const auto number = random_.below(key_count + 1);
    const auto key = number == 0 ? std::string() : "K" + std::to_string(number);
    const auto value = std::to_string(++last_value_);
    wire::RecordView record{
        .key = key.empty() ? std::nullopt : std::optional<std::string_view>(key),
        .value = value,
        .headers = {},
        .event_time_us = 1};
    const auto deliver_after = random_.chance(0.1) ? some_time() : "";
    const auto expires_at = random_.chance(0.1) ? some_time() : "";
    if (!deliver_after.empty()) {
        record.headers.push_back({.key = "deliver-after", .value = deliver_after});
    }
    if (!expires_at.empty()) {
        record.headers.push_back({.key = "expires-at", .value = expires_at});
    }
    const auto traits = traits_of(record);
    wire::RecordBatchBuilder builder;
    builder.add(record);
    const auto batch = builder.finish({.id = -1, .epoch = 0, .base_sequence = -1}).value();
    const broker::PublishBatch one{.partition = partition, .batch = batch};
    fixture_.shard->publish(
        {&one, 1},
        [this, traits, partition, life = life_](const std::vector<broker::PublishOutcome>& outcomes,
                                                const std::string& text) {
            ASSERT_EQ(life == life_ ? outcomes.front().code : Errc::ok, Errc::ok) << text;
            tell_published(
                life, {.partition = partition, .offset = outcomes.front().base_offset}, traits);
        });
}

/// A moment around now, as a header says it.
std::string DeliveryWorld::some_time() {
    const auto from_now = static_cast<std::int64_t>(random_.below(12'000)) - 2'000;
    return std::to_string(fixture_.clock.unix_now() / 1'000 + from_now);
}

DeliveryModel::Traits DeliveryWorld::traits_of(const wire::RecordView& record) const {
    const auto steady = [this](std::string_view milliseconds) {
        const auto time_us = std::stoll(std::string(milliseconds)) * 1'000;
        return now() + Duration(time_us - fixture_.clock.unix_now());
    };
    const auto deliver_after = record.header("deliver-after");
    const auto expires_at = record.header("expires-at");
    return {.key = std::string(record.key.value_or("")),
            .value = std::string(record.value),
            .is_wanted = std::stoull(std::string(record.value)) % unwanted_every != 0,
            .deliver_after = deliver_after ? steady(*deliver_after) : SteadyTime{},
            .expires_at = expires_at ? std::optional(steady(*expires_at)) : std::nullopt};
}

void DeliveryWorld::tell_published(std::uint64_t life,
                                   const RecordId& id,
                                   const DeliveryModel::Traits& traits) {
    if (life != life_) {
        return;
    }
    tell("  acked " + text_of(id) + " key " + traits.key + (traits.is_wanted ? "" : " unwanted") +
         (traits.deliver_after == SteadyTime{} ? "" : " delayed") +
         (traits.expires_at ? " expires" : ""));
    model_.publish(id, traits);
}

void DeliveryWorld::open_consumer() {
    if (consumers_.size() >= 3) {
        return;
    }
    const auto session = ++last_session_;
    auto consumer = std::make_shared<Consumer>(*this, session);
    consumers_.emplace(session, consumer);
    const auto opened = subscriptions().open(
        {.name = subscription,
         .session = session,
         .consumer = "c" + std::to_string(session),
         .credit = 1 + static_cast<std::uint32_t>(random_.below(random_.chance(0.5) ? 2 : 8)),
         .target = consumer});
    ASSERT_TRUE(opened) << opened.error().text;
    settle_down();
}

void DeliveryWorld::close_consumer() {
    if (const auto* const consumer = any_consumer()) {
        const auto session = consumer->session();
        model_.close(session);
        subscriptions().close(session);
        consumers_.erase(session);
        settle_down();
    }
}

void DeliveryWorld::send(SessionId session, Settlement settlement) {
    std::vector<std::uint64_t> ids = settlement.acks;
    for (const auto& nack : settlement.nacks) {
        ids.push_back(nack.delivery_id);
        const auto delay =
            nack.delay ? std::chrono::duration_cast<Duration>(*nack.delay) : Duration{0};
        model_.ask_nack(nack.delivery_id, nack.cause, delay, now());
    }
    for (const auto id : settlement.acks) {
        model_.ask_ack(id);
    }
    subscriptions().settle(
        session,
        std::move(settlement),
        [this, ids, life = life_](const Result<std::vector<std::uint64_t>>& stale) {
            if (life != life_) {
                return;
            }
            ASSERT_TRUE(stale) << stale.error().text;
            tell_settled(ids, stale.value());
        });
    settle_down();
}

void DeliveryWorld::tell_settled(const std::vector<std::uint64_t>& ids,
                                 const std::vector<std::uint64_t>& stale) {
    for (const auto id : ids) {
        if (std::ranges::find(stale, id) != stale.end()) {
            model_.went_stale(id, now());
        } else {
            model_.settled(id);
        }
    }
}

void DeliveryWorld::send_acks(SessionId session, Settlement settlement) {
    if (!settlement.acks.empty()) {
        send(session, std::move(settlement));
    }
}

void DeliveryWorld::ack_some() {
    const auto* const consumer = any_consumer();
    if (consumer == nullptr) {
        return;
    }
    Settlement settlement;
    for (const auto id : model_.in_flight(consumer->session())) {
        if (random_.chance(0.6)) {
            settlement.acks.push_back(id);
            last_settled_ = id;
        }
    }
    if (!settlement.acks.empty()) {
        send(consumer->session(), std::move(settlement));
    }
}

/// A second ack of the same delivery finds nothing.
void DeliveryWorld::ack_again() {
    const auto* const consumer = any_consumer();
    if (consumer == nullptr || last_settled_ == 0) {
        return;
    }
    Settlement settlement;
    settlement.acks = {last_settled_};
    subscriptions().settle(consumer->session(),
                           std::move(settlement),
                           [id = last_settled_](const Result<std::vector<std::uint64_t>>& stale) {
                               ASSERT_TRUE(stale);
                               EXPECT_EQ(stale.value(), std::vector{id});
                           });
    settle_down();
}

void DeliveryWorld::nack_one() {
    const auto* const consumer = any_consumer();
    const auto ids =
        consumer == nullptr ? std::vector<std::uint64_t>() : model_.in_flight(consumer->session());
    if (ids.empty()) {
        return;
    }
    static constexpr std::array causes{Cause::transient,
                                       Cause::transient,
                                       Cause::mapping,
                                       Cause::outage,
                                       Cause::outcome_unknown,
                                       Cause::poison};
    Nack nack{.delivery_id = ids[random_.below(ids.size())],
              .cause = causes[random_.below(causes.size())],
              .delay = {},
              .error = "because",
              .response = "{}"};
    if (random_.chance(0.3)) {
        nack.delay = std::chrono::milliseconds(random_.below(3'000));
    }
    tell("  cause " + std::string(broker::delivery::name_of(nack.cause)));
    Settlement settlement;
    settlement.nacks.push_back(std::move(nack));
    send(consumer->session(), std::move(settlement));
}

void DeliveryWorld::let_time_pass() {
    fixture_.runtime->advance(
        Duration(random_.below(static_cast<std::uint64_t>(rules.ack_timeout.count()))));
    pass();
}

void DeliveryWorld::pass() {
    model_.pass(now());
}

void DeliveryWorld::redrive_some() {
    redrive(0.5);
}

void DeliveryWorld::redrive(double share) {
    const auto open = model_.letters(LetterState::open);
    if (open.empty()) {
        return;
    }
    LetterSelection selection{.query = {.subscription = subscription}, .ids = {}, .by = "test"};
    const auto all = letters();
    for (const auto& id : open) {
        if (random_.chance(share)) {
            tell("  " + text_of(id));
            selection.ids.push_back(all.at(id).id);
            model_.redrive(id);
        }
    }
    if (selection.ids.empty()) {
        return;
    }
    const auto count = selection.ids.size();
    delivery_->letters().change(selection, {}, [count](const Result<std::uint64_t>& done) {
        ASSERT_TRUE(done) << done.error().text;
        EXPECT_LE(done.value(), count);  // a job may be faster
    });
    fixture_.runtime->run_until_idle();
}

void DeliveryWorld::discard_one() {
    const auto open = model_.letters(LetterState::open);
    if (open.empty()) {
        return;
    }
    const auto id = open[random_.below(open.size())];
    tell("  " + text_of(id));
    model_.discard(id);
    delivery_->letters().change({.query = {.subscription = subscription},
                                 .ids = {letters().at(id).id},
                                 .by = "test",
                                 .reason = "test"},
                                {.kind = broker::delivery::LetterEdit::Kind::discard},
                                [](const Result<std::uint64_t>& done) { ASSERT_TRUE(done); });
    fixture_.runtime->run_until_idle();
}

void DeliveryWorld::pause_or_resume() {
    hold(Hold::pause);
}

void DeliveryWorld::drain_or_resume() {
    hold(Hold::drain);
}

void DeliveryWorld::hold(Hold kind) {
    auto& catalog = fixture_.shard->catalog();
    const auto done = [](const auto& result) { ASSERT_TRUE(result); };
    is_held_ = !is_held_;
    if (!is_held_) {
        model_.resume();
        catalog.resume_subscription(subscription, done);
    } else if (kind == Hold::pause) {
        catalog.pause_subscription(subscription, "test", done);
    } else {
        catalog.drain_subscription(subscription, "test", done);
    }
    fixture_.runtime->run_until_idle();
    if (is_held_) {
        model_.hold();
    }
}

void DeliveryWorld::seek() {
    // A start without an index finds what retention took, and a seek may begin there once more.
    if (has_retired_) {
        return;
    }
    // What was published at the very moment of a seek would belong to both sides.
    fixture_.runtime->advance(Duration{1});
    static constexpr std::array targets{StartAt::earliest, StartAt::latest, StartAt::time};
    const auto target = targets[random_.below(targets.size())];
    const auto time =
        fixture_.clock.unix_now() - static_cast<UnixMicros>(random_.below(20'000'000));
    for (const auto partition : all_partitions()) {
        const auto limits = fixture_.shard->bounds(partition);
        const auto at_time = fixture_.shard->store().offset_at(partition, time);
        ASSERT_TRUE(at_time) << at_time.error().text;
        if (limits) {
            model_.seek(partition,
                        target == StartAt::earliest ? limits->first
                        : target == StartAt::latest ? limits->next
                                                    : at_time.value());
        }
    }
    tell(target == StartAt::earliest ? "  to the beginning"
         : target == StartAt::latest ? "  to the end"
                                     : "  to a time");
    fixture_.shard->catalog().seek_subscription(
        subscription, target, time, [](const auto& result) { ASSERT_TRUE(result); });
    fixture_.runtime->run_until_idle();
}

std::vector<PartitionId> DeliveryWorld::all_partitions() const {
    auto all = partitions_;
    std::ranges::copy(passing_, std::back_inserter(all));
    return all;
}

void DeliveryWorld::retire() {
    const auto partitions = all_partitions();
    const auto partition = partitions[random_.below(partitions.size())];
    // More than consumers take, so that some are in flight and others were never read.
    for (int count = 0; count < 12; ++count) {
        publish_to(partition);
        fixture_.runtime->run_until_idle();
    }
    jobs_->note_sources();
    fixture_.finish_segment(filler_);
    pass();
    // A log whose index is lost knows the end of a partition by its last record alone.
    publish_to(partition);
    fixture_.runtime->run_until_idle();
    fixture_.retire(partition);
    const auto first = fixture_.shard->store().bounds(partition).first;
    tell("  " + text_of({.partition = partition, .offset = first}) + " is the first now");
    has_retired_ = true;
    model_.retire(partition, first);
    onlooker_->retire(partition, first);
    jobs_->note_sources();
    ack_some();
    nack_one();
}

void DeliveryWorld::delete_or_make_topic() {
    if (passing_.empty()) {
        passing_ = fixture_.make_topic(passing_topic, partition_count);
        return;
    }
    // Before, since others go out in the same turn; nothing is under way that could still come.
    for (const auto partition : std::exchange(passing_, {})) {
        tell("  partition " + std::to_string(partition.value) + " is gone");
        model_.lose(partition);
    }
    fixture_.shard->catalog().delete_topic(
        passing_topic, [](const auto& done) { ASSERT_TRUE(done) << done.error().text; });
    fixture_.runtime->run_until_idle();
}

/// What was published and not answered may be in the log, and what a job has replayed is.
void DeliveryWorld::learn_log() {
    auto partitions = all_partitions();
    std::ranges::copy(partitions_of(fixture_, broker::replay_topic_of(subscription)),
                      std::back_inserter(partitions));
    for (const auto partition : partitions) {
        for (const auto& record : read_log(fixture_, partition)) {
            model_.publish({.partition = partition, .offset = record.offset},
                           traits_of(record.view()));
        }
    }
}

/// Its publisher is the broker, which tells nobody.
void DeliveryWorld::learn_replayed(const Delivery& delivery) {
    const auto known = all_partitions();
    if (std::ranges::find(known, delivery.partition) == known.end()) {
        const auto record = wire::parse_plain_record(delivery.record);
        ASSERT_TRUE(record) << record.error().text;
        model_.publish({.partition = delivery.partition, .offset = delivery.offset},
                       traits_of(record.value()));
    }
}

}  // namespace millrace::simulation
