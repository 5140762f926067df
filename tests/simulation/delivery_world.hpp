#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/simulation/delivery_model.hpp"
#include "tests/simulation/onlooker.hpp"
#include "tests/simulation/world_jobs.hpp"
#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "storage/base/random.hpp"

namespace millrace::wire {
struct RecordView;
}

namespace millrace::simulation {

/// One broker shard with one subscription and its consumers, and the model beside it: every call
/// goes to both.
class DeliveryWorld {
  public:
    explicit DeliveryWorld(std::uint64_t seed);
    DeliveryWorld(const DeliveryWorld&) = delete;
    DeliveryWorld& operator=(const DeliveryWorld&) = delete;
    DeliveryWorld(DeliveryWorld&&) = delete;
    DeliveryWorld& operator=(DeliveryWorld&&) = delete;
    ~DeliveryWorld();

    /// One random thing that a producer, a consumer, an operator or the power company does.
    void step();
    /// Consumers ack everything, letters are redriven, until nothing is left.
    void drain();

    [[nodiscard]] const DeliveryModel& model() const { return model_; }
    /// What was wrong, of everybody.
    [[nodiscard]] std::vector<std::string> violations() const;
    [[nodiscard]] const std::vector<std::string>& story() const { return story_; }

  private:
    class Consumer;
    struct Operation {
        unsigned weight;
        void (DeliveryWorld::*run)();
    };

    void publish();
    void publish_to(PartitionId partition);
    void open_consumer();
    void close_consumer();
    void ack_some();
    void ack_again();
    void nack_one();
    void let_time_pass();
    void pass();
    void redrive_some();
    void redrive(double share);
    void discard_one();
    void pause_or_resume();
    void drain_or_resume();
    enum class Hold : std::uint8_t { pause, drain };
    void hold(Hold kind);
    void seek();
    void retire();
    void delete_or_make_topic();
    void redrive_job() { jobs_->redrive(); }
    void replay_job() { jobs_->replay(); }
    void change_job() { jobs_->change_one(); }
    void wake_jobs();
    void lose_power();
    void restart();

    void start_delivery();
    void create_subscription() const;
    void learn_log();
    void learn_replayed(const Delivery& delivery);
    void look();
    /// Nothing is under way, whatever the model would excuse.
    void check_progress();
    void tell(std::string what) { story_.push_back(std::move(what)); }
    /// Of both topics that the subscription reads.
    [[nodiscard]] std::vector<PartitionId> all_partitions() const;
    [[nodiscard]] SteadyTime now() const { return fixture_.clock.steady_now(); }
    [[nodiscard]] broker::delivery::Subscriptions& subscriptions();
    [[nodiscard]] DeliveryModel::Letters letters();
    [[nodiscard]] Consumer* any_consumer();
    /// Runs to the end, or only a few turns when the power is to go in the middle.
    void settle_down();
    void send(SessionId session, broker::delivery::Settlement settlement);
    void send_acks(SessionId session, broker::delivery::Settlement settlement);
    void tell_published(std::uint64_t life,
                        const RecordId& id,
                        const DeliveryModel::Traits& traits);
    [[nodiscard]] DeliveryModel::Traits traits_of(const wire::RecordView& record) const;
    [[nodiscard]] std::string some_time();
    void tell_settled(const std::vector<std::uint64_t>& ids,
                      const std::vector<std::uint64_t>& stale);

    Random random_;
    DeliveryModel::Rules rules_;
    DeliveryModel model_;
    broker::delivery::DeliveryTable delivery_table_;             ///< one shard needs no other
    std::unique_ptr<broker::delivery::DeliveryShard> delivery_;  ///< made anew with every shard
    broker::testing::ShardFixture fixture_;
    std::vector<PartitionId> partitions_;
    std::vector<PartitionId> passing_;  ///< of a topic that comes and goes
    PartitionId filler_;                ///< which the subscription does not read
    std::unique_ptr<WorldJobs> jobs_;
    std::unique_ptr<Onlooker> onlooker_;
    std::map<SessionId, std::shared_ptr<Consumer>> consumers_;
    SessionId last_session_ = 0;
    std::uint64_t last_value_ = 0;
    std::uint64_t last_settled_ = 0;
    bool is_hasty_ = false;  ///< the next operation is not waited for
    bool is_held_ = false;
    bool has_retired_ = false;
    std::uint64_t life_ = 0;  ///< answers of an earlier life do not count
    std::vector<std::string> story_;
    std::vector<std::string> violations_;
};

}  // namespace millrace::simulation
