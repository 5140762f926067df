#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <gtest/gtest.h>

#include "tests/simulation/delivery_world.hpp"

// What happens in a world, from the first start to the drain at its end.

namespace millrace::simulation {

using broker::delivery::Settlement;

void DeliveryWorld::start_delivery() {
    consumers_.clear();
    last_settled_ = 0;
    fixture_.open();
    learn_log();
    model_.restart(letters(), now());
    onlooker_->start(*delivery_);
    jobs_->start(*delivery_);
}

/// Their next step comes, and others with it.
void DeliveryWorld::wake_jobs() {
    fixture_.clock.advance(Duration(random_.below(200'000)));
    settle_down();
}

void DeliveryWorld::lose_power() {
    is_hasty_ = true;
    const std::array<void (DeliveryWorld::*)(), 4> under_way{&DeliveryWorld::publish,
                                                             &DeliveryWorld::ack_some,
                                                             &DeliveryWorld::nack_one,
                                                             &DeliveryWorld::wake_jobs};
    for (auto count = random_.below(5); count > 0; --count) {
        (this->*under_way[random_.below(under_way.size())])();
    }
    is_hasty_ = false;
    ++life_;
    jobs_->lose_power();
    delivery_.reset();
    fixture_.crash();
    start_delivery();
}

void DeliveryWorld::restart() {
    jobs_->stop();
    for (const auto& [session, consumer] : consumers_) {
        model_.close(session);
    }
    ++life_;
    ASSERT_TRUE(fixture_.shard->stop());
    delivery_.reset();
    start_delivery();
}

void DeliveryWorld::step() {
    static constexpr std::array names{"publish",
                                      "open",
                                      "close",
                                      "ack",
                                      "ack again",
                                      "nack",
                                      "time",
                                      "redrive",
                                      "discard",
                                      "pause or resume",
                                      "drain or resume",
                                      "seek",
                                      "retention",
                                      "topic deleted or made",
                                      "redrive job",
                                      "replay job",
                                      "change of a job",
                                      "power loss",
                                      "restart"};
    static constexpr std::array<Operation, names.size()> operations{
        {{20, &DeliveryWorld::publish},
         {8, &DeliveryWorld::open_consumer},
         {3, &DeliveryWorld::close_consumer},
         {30, &DeliveryWorld::ack_some},
         {3, &DeliveryWorld::ack_again},
         {16, &DeliveryWorld::nack_one},
         {12, &DeliveryWorld::let_time_pass},
         {8, &DeliveryWorld::redrive_some},
         {2, &DeliveryWorld::discard_one},
         {2, &DeliveryWorld::pause_or_resume},
         {1, &DeliveryWorld::drain_or_resume},
         {1, &DeliveryWorld::seek},
         {2, &DeliveryWorld::retire},
         {1, &DeliveryWorld::delete_or_make_topic},
         {3, &DeliveryWorld::redrive_job},
         {2, &DeliveryWorld::replay_job},
         {2, &DeliveryWorld::change_job},
         {3, &DeliveryWorld::lose_power},
         {2, &DeliveryWorld::restart}}};
    const auto total = std::accumulate(
        operations.begin(), operations.end(), 0U, [](unsigned sum, const Operation& one) {
            return sum + one.weight;
        });
    auto chosen = random_.below(total);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (chosen < operations[i].weight) {
            tell(names[i]);
            (this->*operations[i].run)();
            break;
        }
        chosen -= operations[i].weight;
    }
    onlooker_->ack();
    fixture_.runtime->run_until_idle();
    look();
}

void DeliveryWorld::look() {
    const auto all = all_letters(*delivery_, WorldJobs::subscription);
    DeliveryModel::Letters newest;
    for (const auto& letter : all) {
        newest[{.partition = letter.partition, .offset = letter.offset}] = letter;
    }
    model_.check_letters(newest);
    jobs_->check_letters(all);
}

void DeliveryWorld::drain() {
    tell("drain");
    if (is_held_) {
        pause_or_resume();
    }
    open_consumer();
    constexpr int rounds_max = 1'000;
    constexpr int idle_max = 3;  // each longer than any delay
    int idle = 0;
    for (int round = 0; round < rounds_max && idle < idle_max; ++round) {
        bool has_acked = false;
        const bool has_jobs = jobs_->has_open();  // which look at their letters all the time
        onlooker_->ack();
        for (const auto& [session, consumer] : consumers_) {
            Settlement settlement;
            settlement.acks = model_.in_flight(session);
            has_acked = has_acked || !settlement.acks.empty();
            send_acks(session, std::move(settlement));
        }
        idle = has_acked || has_jobs ? 0 : idle + 1;
        fixture_.runtime->run_until_idle();
        if (!has_acked) {
            fixture_.runtime->advance(Duration{has_jobs ? 1'000'000 : 40'000'000});
            pass();
            look();
            jobs_->resume_all();
            redrive(1.0);
        }
    }
    learn_log();
    look();
    model_.check_drained(now());
    check_progress();
    jobs_->check_over();
    onlooker_->check_drained();
}

void DeliveryWorld::check_progress() {
    const auto progress = subscriptions().progress(WorldJobs::subscription);
    ASSERT_TRUE(progress) << progress.error().text;
    const auto& left = progress.value();
    const auto check = [this](std::uint64_t count, const std::string& text) {
        if (count > 0) {
            violations_.push_back(std::to_string(count) + " records " + text + " after the drain");
        }
    };
    check(left.lag_records, "are not settled");
    check(left.in_flight, "are in flight");
    check(left.waiting_retry + left.waiting_delay, "wait for their time");
    check(left.parked_records, "are parked");
}

}  // namespace millrace::simulation
