#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/record_history.hpp"
#include "tests/simulation/cluster/sim_node.hpp"
#include "tests/simulation/cluster/stage.hpp"

namespace millrace::simulation::cluster {

using Nodes = std::vector<std::unique_ptr<SimNode>>;

/// A producer as the client library has it (client/src/producer.cpp): keeps the batches of a
/// partition in order until they are acked, and sends them again to whoever leads.
class Publisher {
  public:
    struct Options {
        std::int64_t id = 0;
        std::size_t batches_in_flight_max = 4;  ///< of a partition
        std::size_t value_bytes_max = 500;
        Duration pause_max{40'000};  ///< between new batches
    };
    struct Surroundings {
        Stage& stage;
        Nodes& nodes;
        RecordHistory& history;
        /// No other node has led since.
        std::function<bool(const SimNode&)> is_newest;
    };
    Publisher(const Options& options, const Surroundings& around);

    void add_partition(PartitionId partition, broker::Durability durability);
    void start();
    /// Makes nothing new any more.
    void stop() { is_stopped_ = true; }
    [[nodiscard]] bool is_done() const;
    [[nodiscard]] std::uint64_t acked() const { return acked_; }
    /// Batches that were refused for good by a node that no longer led and did not know.
    [[nodiscard]] std::uint64_t refused_by_former() const { return refused_by_former_; }

  private:
    struct Batch {
        PartitionId partition;
        std::uint64_t number = 0;  ///< counts the batches of its partition
        std::int32_t base_sequence = 0;
        std::vector<std::string> values;
        std::vector<std::byte> bytes;
        bool is_in_flight = false;
        bool had_elder = false;      ///< without an ack when it was sent last
        bool is_behind_gap = false;  ///< what was acked before it is gone
        bool may_be_there = false;   ///< sent, and not known to be refused
    };
    using BatchPtr = std::shared_ptr<Batch>;
    struct Partition {
        std::uint64_t next_number = 0;  ///< of a value
        std::uint64_t next_batch = 0;
        std::int32_t next_sequence = 0;
        std::int16_t epoch = 0;
        broker::Durability durability = broker::Durability::majority;
        bool is_confirmed = false;
        bool is_at_risk = false;  ///< what was acked last is on the leader's disk alone
        bool has_gap = false;     ///< waits for the next epoch
        std::deque<BatchPtr> unacked;
    };
    /// All that is on its way in one is lost together.
    struct Connection {
        std::size_t node = 0;
        std::uint64_t life = 0;  ///< of the node
        std::uint64_t number = 0;
        bool operator==(const Connection&) const = default;
    };
    struct Request {
        Connection connection;
        std::vector<BatchPtr> batches;
    };

    void think();
    void make_batch();
    void send();
    void look_at_connection();
    [[nodiscard]] std::vector<BatchPtr> take_batches();
    void take_batches_of(const Partition& partition,
                         std::vector<BatchPtr>& taken,
                         std::size_t& bytes) const;
    void arrive(std::uint64_t number, Duration answer_latency);
    void publish(std::uint64_t number, Duration answer_latency);
    struct Answer {
        std::vector<broker::PublishOutcome> outcomes;
        bool is_of_newest = false;
    };
    void answer_after(Duration latency, std::size_t node, broker::Task task);
    void answered(std::uint64_t number, const Answer& answer);
    void judge(const BatchPtr& batch, const broker::PublishOutcome& outcome, bool is_of_newest);
    void take_final_refusal(const std::string& what, Errc code, bool is_of_newest);
    [[nodiscard]] static std::string name_of(const Batch& batch);
    void take_ack(const BatchPtr& batch, const broker::PublishOutcome& outcome);
    /// The oldest batch is refused because what was acked before it is gone.
    static void leave_gap(Partition& partition);
    void begin_epoch_if_due(Partition& partition) const;
    /// Nobody knows what became of it.
    void fail_request(std::uint64_t number);
    void turn_to_another(std::size_t from);

    Options options_;
    Surroundings around_;
    std::map<PartitionId, Partition> partitions_;
    std::map<std::uint64_t, Request> requests_;
    std::uint64_t last_request_ = 0;
    /// By node: a connection keeps order.
    std::map<std::size_t, SteadyTime> last_due_;
    std::map<std::size_t, SteadyTime> last_answer_due_;
    std::size_t target_ = 0;
    Connection connection_;  ///< of the last request
    std::uint64_t next_connection_ = 1;
    std::map<std::size_t, std::uint64_t> refused_;  ///< by node, the last connection
    std::uint64_t acked_ = 0;
    std::uint64_t refused_by_former_ = 0;
    bool is_stopped_ = false;
};

}  // namespace millrace::simulation::cluster
