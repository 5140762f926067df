#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/delivery_model.hpp"
#include "tests/simulation/job_model.hpp"
#include "tests/simulation/lockstep_threads.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/job_runner.hpp"
#include "storage/base/random.hpp"

namespace millrace::simulation {

/// The durable jobs of a world: the broker's own runner and shards, on threads in lockstep, and
/// the models beside them.
class WorldJobs {
  public:
    struct World {
        broker::testing::ShardFixture& fixture;
        DeliveryModel& model;
        Random& random;
        std::function<void(std::string)> tell;
        std::vector<PartitionId> sources;  ///< of topic "a.b"
    };
    explicit WorldJobs(World world);
    WorldJobs(const WorldJobs&) = delete;
    WorldJobs& operator=(const WorldJobs&) = delete;
    WorldJobs(WorldJobs&&) = delete;
    WorldJobs& operator=(WorldJobs&&) = delete;
    ~WorldJobs();

    /// The broker has started; its jobs go on.
    void start(broker::delivery::DeliveryShard& delivery);
    /// Before the broker stops, and before the power is gone.
    void stop();
    void lose_power();

    /// Random jobs, and what operators do with them.
    void redrive();
    void replay();
    void change_one();
    void resume_all();
    [[nodiscard]] bool has_open() const;

    /// Retention is about to take some of the sources, which a replay may have read or may not.
    void note_sources();
    /// To be called whenever nothing is under way.
    void check_letters(const std::vector<broker::delivery::Letter>& letters);
    /// Every job must be over.
    void check_over();
    [[nodiscard]] const std::vector<std::string>& violations() const {
        return jobs_model_.violations();
    }

    static constexpr const char* copy_topic = "copy";
    static constexpr const char* subscription = "sink";

  private:
    class WatchedShards;
    [[nodiscard]] broker::delivery::Job create(broker::delivery::Job job);
    void change(std::uint64_t job, broker::delivery::JobState state);
    [[nodiscard]] std::vector<broker::delivery::Letter> letters() const;
    [[nodiscard]] std::size_t open_count() const;

    World world_;
    JobModel jobs_model_;
    std::vector<std::map<Offset, LogRecord>> seen_;  ///< of the sources, by partition
    std::vector<Offset> first_;  ///< that retention has never taken, by partition
    broker::delivery::DeliveryShard* delivery_ = nullptr;
    std::unique_ptr<LockstepThreads> threads_;
    std::unique_ptr<broker::delivery::JobShards> shards_;
    std::unique_ptr<broker::delivery::JobRunner> runner_;
};

/// Every letter of a subscription, with its record and its history.
[[nodiscard]] std::vector<broker::delivery::Letter> all_letters(
    broker::delivery::DeliveryShard& delivery, const std::string& subscription);

}  // namespace millrace::simulation
