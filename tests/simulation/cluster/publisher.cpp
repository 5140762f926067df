#include "tests/simulation/cluster/publisher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/wire/record_batch.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr Duration pause_min{1'000};
constexpr Duration retry_delay{20'000};
constexpr Duration latency_min{50};
constexpr Duration latency_max{3'000};
constexpr Duration request_timeout{1'200'000};
constexpr std::size_t requests_max = 2;
/// All that comes in one turn of a node becomes one entry, which has to fit into a small commit.
constexpr std::size_t request_bytes_max = 30'000;
/// From the oldest one on: the broker knows that many when one comes again.
constexpr std::uint64_t unacked_max = wire::producer_batches_in_flight_max;
constexpr std::uint64_t records_max = 3;
constexpr std::uint64_t key_count = 3;

}  // namespace

Publisher::Publisher(const Options& options, const Surroundings& around)
    : options_(options), around_(around) {}

void Publisher::add_partition(PartitionId partition, broker::Durability durability) {
    partitions_[partition].durability = durability;
}

void Publisher::start() {
    around_.stage.after(around_.stage.between(pause_min, options_.pause_max), [this] {
        think();
        start();
    });
}

bool Publisher::is_done() const {
    return std::ranges::all_of(partitions_,
                               [](const auto& row) { return row.second.unacked.empty(); });
}

void Publisher::think() {
    std::vector<std::uint64_t> lost;
    for (const auto& [number, request] : requests_) {
        const auto& connection = request.connection;
        if (around_.nodes[connection.node]->life() != connection.life) {
            lost.push_back(number);  // the connection ended
        }
    }
    for (const auto number : lost) {
        fail_request(number);
    }
    if (!is_stopped_ && !partitions_.empty()) {
        make_batch();
    }
    send();
}

void Publisher::make_batch() {
    auto& stage = around_.stage;
    const auto chosen = static_cast<std::ptrdiff_t>(stage.below(partitions_.size()));
    auto& [id, partition] = *std::next(partitions_.begin(), chosen);
    const auto& unacked = partition.unacked;
    if (!unacked.empty() && partition.next_batch - unacked.front()->number >= unacked_max) {
        return;
    }
    auto batch = std::make_shared<Batch>();
    batch->partition = id;
    batch->number = partition.next_batch++;
    batch->base_sequence = partition.next_sequence;
    batch->is_behind_gap = partition.has_gap;
    wire::RecordBatchBuilder builder;
    for (auto count = 1 + stage.below(records_max); count > 0; --count) {
        const auto number = partition.next_number++;
        const auto producer = static_cast<std::uint64_t>(options_.id);
        const auto key = std::to_string(producer) + "k" + std::to_string(number % key_count);
        batch->values.push_back(
            ValueName{.producer = producer, .number = number}.format() +
            std::string(stage.below(options_.value_bytes_max), static_cast<char>('a' + count)));
        builder.add({.key = key, .value = batch->values.back(), .headers = {}, .event_time_us = 1});
    }
    partition.next_sequence += static_cast<std::int32_t>(batch->values.size());
    batch->bytes = builder
                       .finish({.id = options_.id,
                                .epoch = partition.epoch,
                                .base_sequence = batch->base_sequence})
                       .value();
    partition.unacked.push_back(std::move(batch));
}

std::vector<Publisher::BatchPtr> Publisher::take_batches() {
    std::vector<BatchPtr> taken;
    std::size_t bytes = 0;
    for (auto& [id, partition] : partitions_) {
        take_batches_of(partition, taken, bytes);
    }
    return taken;
}

void Publisher::take_batches_of(const Partition& partition,
                                std::vector<BatchPtr>& taken,
                                std::size_t& bytes) const {
    const auto limit = partition.is_confirmed ? options_.batches_in_flight_max : 1;
    auto in_flight =
        static_cast<std::size_t>(std::ranges::count_if(partition.unacked, &Batch::is_in_flight));
    for (const auto& batch : partition.unacked) {
        const bool waits_for_epoch = batch->is_behind_gap && !batch->may_be_there;
        if (!batch->is_in_flight && !waits_for_epoch && in_flight < limit &&
            bytes < request_bytes_max) {
            batch->is_in_flight = true;
            batch->had_elder = batch != partition.unacked.front();
            batch->may_be_there = true;
            ++in_flight;
            bytes += batch->bytes.size();
            taken.push_back(batch);
        }
    }
}

/// Another leader may have no batch of an epoch, and takes any for the first then.
void Publisher::look_at_connection() {
    const Connection now{
        .node = target_, .life = around_.nodes[target_]->life(), .number = next_connection_};
    if (std::exchange(connection_, now) == now) {
        return;
    }
    for (auto& [id, partition] : partitions_) {
        partition.is_confirmed = partition.is_confirmed && !partition.is_at_risk;
    }
}

void Publisher::send() {
    if (requests_.size() >= requests_max) {
        return;
    }
    look_at_connection();
    auto batches = take_batches();
    if (batches.empty()) {
        return;
    }
    auto& stage = around_.stage;
    const auto number = ++last_request_;
    requests_[number] = {.connection = connection_, .batches = std::move(batches)};
    auto& due = last_due_[target_];
    due = std::max(due, stage.now() + stage.between(latency_min, latency_max));
    const auto answer_latency = stage.between(latency_min, latency_max);
    stage.after(due - stage.now(),
                [this, number, answer_latency] { arrive(number, answer_latency); });
    stage.after(request_timeout, [this, number] { fail_request(number); });
}

void Publisher::arrive(std::uint64_t number, Duration answer_latency) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) {
        return;
    }
    const auto& connection = found->second.connection;
    auto& node = *around_.nodes[connection.node];
    if (!node.is_open() || node.life() != connection.life) {
        around_.stage.after(answer_latency, [this, number] { fail_request(number); });
        return;
    }
    node.post([this, number, answer_latency] { publish(number, answer_latency); });
}

/// In a turn of the node.
void Publisher::publish(std::uint64_t number, Duration answer_latency) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) {
        return;
    }
    const auto& connection = found->second.connection;
    auto& node = *around_.nodes[connection.node];
    auto& refused = refused_[connection.node];
    if (!node.takes_clients() || connection.number <= refused) {
        refused = std::max(refused, connection.number);
        answer_after(answer_latency, connection.node, [this, number] { fail_request(number); });
        return;
    }
    std::vector<broker::PublishBatch> batches;
    for (const auto& batch : found->second.batches) {
        batches.push_back({.partition = batch->partition, .batch = batch->bytes});
    }
    node.shard().publish(
        batches,
        [this, &node, number, answer_latency, life = node.life()](
            const std::vector<broker::PublishOutcome>& outcomes, const std::string&) {
            if (node.life() != life) {
                return;
            }
            Answer answer{.outcomes = outcomes, .is_of_newest = around_.is_newest(node)};
            answer_after(answer_latency, node.id().value - 1, [this, number, answer] {
                answered(number, answer);
            });
        });
}

void Publisher::answer_after(Duration latency, std::size_t node, broker::Task task) {
    auto& due = last_answer_due_[node];
    due = std::max(due, around_.stage.now() + latency);
    around_.stage.after(due - around_.stage.now(), std::move(task));
}

void Publisher::answered(std::uint64_t number, const Answer& answer) {
    const auto request = requests_.extract(number);
    if (request.empty()) {
        return;
    }
    const auto& batches = request.mapped().batches;
    const auto& outcomes = answer.outcomes;
    bool is_refused = false;
    for (std::size_t i = 0; i < batches.size(); ++i) {
        batches[i]->is_in_flight = false;
        judge(batches[i], outcomes[i], answer.is_of_newest);
        is_refused = is_refused || outcomes[i].code != Errc::ok;
    }
    if (is_refused && outcomes.front().code == Errc::not_leader) {
        turn_to_another(request.mapped().connection.node);
    }
}

void Publisher::judge(const BatchPtr& batch,
                      const broker::PublishOutcome& outcome,
                      bool is_of_newest) {
    auto& partition = partitions_.at(batch->partition);
    if (outcome.code == Errc::ok) {
        take_ack(batch, outcome);
        begin_epoch_if_due(partition);
        return;
    }
    const auto what = name_of(*batch);
    around_.stage.tell("  refused " + what + ": " + std::string(millrace::name_of(outcome.code)));
    const bool is_out_of_order = outcome.code == Errc::sequence_out_of_order;
    if (is_out_of_order && batch->is_behind_gap) {
        batch->may_be_there = false;
    } else if (is_out_of_order && !batch->had_elder && partition.is_at_risk) {
        leave_gap(partition);
    } else if (!is_retryable(outcome.code) && !(is_out_of_order && batch->had_elder)) {
        take_final_refusal(what, outcome.code, is_of_newest);
    }
    begin_epoch_if_due(partition);
}

void Publisher::take_final_refusal(const std::string& what, Errc code, bool is_of_newest) {
    if (is_of_newest) {
        around_.stage.violate(what +
                              " is refused for good: " + std::string(millrace::name_of(code)));
    } else {
        ++refused_by_former_;
    }
}

std::string Publisher::name_of(const Batch& batch) {
    return "batch " + batch.values.front().substr(0, batch.values.front().find('.')) + " of " +
           std::to_string(batch.values.size()) + " for partition " +
           std::to_string(batch.partition.value);
}

void Publisher::take_ack(const BatchPtr& batch, const broker::PublishOutcome& outcome) {
    auto& partition = partitions_.at(batch->partition);
    const auto what = name_of(*batch);
    around_.stage.tell("  acked " + what + " at " + std::to_string(outcome.base_offset.value) +
                       (outcome.duplicate ? ", again" : ""));
    if (outcome.durability != partition.durability) {
        around_.stage.violate(what + " is acked with another durability than its topic's");
    }
    around_.history.note_ack(batch->partition, outcome.base_offset, batch->values);
    std::erase(partition.unacked, batch);
    partition.is_confirmed = true;
    partition.is_at_risk = outcome.durability != broker::Durability::majority;
    ++acked_;
}

void Publisher::leave_gap(Partition& partition) {
    for (const auto& batch : partition.unacked) {
        batch->is_behind_gap = true;
    }
    partition.unacked.front()->may_be_there = false;
    partition.has_gap = true;
    partition.is_at_risk = false;
}

void Publisher::begin_epoch_if_due(Partition& partition) const {
    const bool is_needed = std::ranges::any_of(partition.unacked, [](const auto& batch) {
        return !batch->is_behind_gap || batch->may_be_there;
    });
    if (!partition.has_gap || is_needed) {
        return;
    }
    partition.has_gap = false;
    partition.is_confirmed = false;
    ++partition.epoch;
    partition.next_sequence = 0;
    for (const auto& batch : partition.unacked) {
        batch->is_behind_gap = false;
        batch->number = partition.next_batch++;
        batch->base_sequence = partition.next_sequence;
        wire::set_producer(
            batch->bytes,
            {.id = options_.id, .epoch = partition.epoch, .base_sequence = batch->base_sequence});
        partition.next_sequence += static_cast<std::int32_t>(batch->values.size());
    }
    around_.stage.tell("  publisher " + std::to_string(options_.id) + " begins epoch " +
                       std::to_string(partition.epoch));
}

void Publisher::fail_request(std::uint64_t number) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) {
        return;
    }
    const auto connection = found->second.connection;
    std::erase_if(requests_, [&connection](const auto& one) {
        const bool is_lost = one.second.connection == connection;
        for (const auto& batch : one.second.batches) {
            batch->is_in_flight = batch->is_in_flight && !is_lost;
        }
        return is_lost;
    });
    ++next_connection_;
    turn_to_another(connection.node);
    around_.stage.after(retry_delay, [this] { send(); });
}

void Publisher::turn_to_another(std::size_t from) {
    if (target_ != from) {
        return;
    }
    const auto& node = *around_.nodes[from];
    const auto leader = node.leader().value;
    const bool is_told = leader > 0 && leader <= around_.nodes.size() && leader != from + 1;
    target_ = is_told ? leader - 1 : (from + 1) % around_.nodes.size();
}

}  // namespace millrace::simulation::cluster
