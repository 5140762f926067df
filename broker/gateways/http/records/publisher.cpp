#include "broker/gateways/http/records/publisher.hpp"

#include <algorithm>
#include <map>

#include "broker/catalog/replay_topic.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/partitioner.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::http {
namespace {

/// Records of one partition that travel together.
struct DoorBatch {
    std::uint32_t partition_index = 0;
    std::vector<std::size_t> records;  ///< numbers in the request
    std::size_t bytes = wire::batch_header_bytes;
};

/// A batch in the form that a shard takes.
struct EncodedBatch {
    PartitionId partition;
    std::vector<std::byte> bytes;
};
struct Published {
    std::vector<PublishOutcome> outcomes;
    std::string text;
};

std::uint32_t partition_of(const IncomingRecord& record, std::uint32_t count, std::uint64_t turn) {
    if (record.partition) {
        return *record.partition;
    }
    if (record.key) {
        return wire::partition_of_key(*record.key, count);
    }
    const auto id = record.header(wire::event_id_header);
    return id ? wire::partition_of_key(*id, count) : static_cast<std::uint32_t>(turn % count);
}

std::vector<EncodedBatch> encode(const ParsedRecords& records,
                                 const TopicInfo& topic,
                                 const std::vector<DoorBatch>& batches) {
    std::vector<EncodedBatch> encoded;
    for (const auto& batch : batches) {
        wire::RecordBatchBuilder builder;
        for (const auto number : batch.records) {
            builder.add(records[number].value().view());
        }
        // Without compression a batch that has records can't fail.
        encoded.push_back({.partition = topic.partitions[batch.partition_index].id,
                           .bytes = builder.finish({}).value()});
    }
    return encoded;
}

}  // namespace

/// One publish: rounds of batches, at most one of each partition in a round.
class Publisher::Run : public std::enable_shared_from_this<Publisher::Run> {
  public:
    Run(const ShardGate& gate, ParsedRecords records, PublishedDone done)
        : gate_(gate),
          records_(std::move(records)),
          outcomes_(records_.size()),
          done_(std::move(done)) {}

    struct Rules {
        std::size_t batch_bytes_max = 0;
        std::uint64_t turn = 0;
    };
    void start(const std::string& topic, UnixMicros now_us, Rules limits) {
        if (is_internal_topic(topic)) {
            refuse_all(fail(Errc::invalid_argument,
                            "names that begin with \"" + std::string(internal_topic_prefix) +
                                "\" are the broker's own"));
            return;
        }
        const auto& topics = gate_.catalog()->topics;
        const auto found = topics.find(topic);
        if (found == topics.end()) {
            refuse_all(fail(Errc::unknown_topic, "topic \"" + topic + "\" does not exist"));
            return;
        }
        topic_ = found->second;
        plan(now_us, limits);
        next_round();
    }

  private:
    using Placed = std::vector<std::size_t>;  ///< numbers of batches

    void refuse_all(const Error& error) {
        for (auto& outcome : outcomes_) {
            outcome.error = error;
        }
        finish();
    }

    void plan(UnixMicros now_us, const Rules& limits) {
        const auto count = static_cast<std::uint32_t>(topic_->partitions.size());
        for (std::size_t number = 0; number < records_.size(); ++number) {
            auto& outcome = outcomes_[number];
            if (!records_[number]) {
                outcome.error = records_[number].error();
                continue;
            }
            auto& record = records_[number].value();
            if (record.event_time_us == 0) {
                record.event_time_us = now_us;
            }
            outcome.partition_index = partition_of(record, count, limits.turn);
            place(number, count, limits.batch_bytes_max);
        }
    }
    void place(std::size_t number, std::uint32_t partition_count, std::size_t batch_bytes_max) {
        auto& outcome = outcomes_[number];
        if (outcome.partition_index >= partition_count) {
            outcome.error = fail(Errc::unknown_partition,
                                 "topic \"" + topic_->name + "\" has no partition " +
                                     std::to_string(outcome.partition_index) + ", only " +
                                     std::to_string(partition_count));
            return;
        }
        const auto bytes = wire::record_bytes(records_[number].value().view()) + margin_bytes;
        const auto broker_max = batch_bytes_max - wire::batch_header_bytes;
        const bool is_topics =
            topic_->record_bytes_max != 0 && topic_->record_bytes_max < broker_max;
        const std::size_t limit = is_topics ? topic_->record_bytes_max : broker_max;
        if (bytes > limit + margin_bytes) {
            outcome.error = fail(
                Errc::record_too_large,
                "a record of " + std::to_string(bytes - margin_bytes) + " bytes, limit " +
                    (is_topics ? "record_bytes_max of " + topic_->name : "record_batch_bytes_max") +
                    " is " + std::to_string(is_topics ? limit : batch_bytes_max));
            return;
        }
        auto& waiting = waiting_[outcome.partition_index];
        if (waiting.empty() || waiting.back().bytes + bytes > batch_bytes_max) {
            waiting.push_back({.partition_index = outcome.partition_index, .records = {}});
        }
        waiting.back().records.push_back(number);
        waiting.back().bytes += bytes;
    }

    void next_round() {
        std::map<ShardId, std::vector<DoorBatch>> by_shard;
        for (auto& [partition, batches] : waiting_) {
            by_shard[topic_->partitions[partition].shard].push_back(std::move(batches.front()));
            batches.erase(batches.begin());
        }
        std::erase_if(waiting_, [](const auto& one) { return one.second.empty(); });
        if (by_shard.empty()) {
            finish();
            return;
        }
        shards_left_ = by_shard.size();
        for (auto& [shard, batches] : by_shard) {
            publish_on(shard, std::move(batches));
        }
    }

    void publish_on(ShardId shard, std::vector<DoorBatch> batches) {
        auto encoded =
            std::make_shared<std::vector<EncodedBatch>>(encode(records_, *topic_, batches));
        const auto start = [encoded](const ShardLink& link, const auto& done) {
            std::vector<PublishBatch> views;
            for (const auto& one : *encoded) {
                views.push_back({.partition = one.partition, .batch = one.bytes});
            }
            link.shard->publish(
                views, [done](std::vector<PublishOutcome> outcomes, std::string text) {
                    done(Published{.outcomes = std::move(outcomes), .text = std::move(text)});
                });
        };
        gate_.ask<Published>(
            shard,
            start,
            [self = shared_from_this(), batches = std::move(batches)](
                const Result<Published>& published) { self->take(batches, published); });
    }

    /// The shard gives the text of its first refusal alone.
    static Error error_of(const Published& published, Errc code) {
        const auto first = std::ranges::find_if(
            published.outcomes, [](const auto& one) { return one.code != Errc::ok; });
        return fail(code, first->code == code ? published.text : std::string(name_of(code)));
    }

    void take(const std::vector<DoorBatch>& batches, const Result<Published>& published) {
        for (std::size_t i = 0; i < batches.size(); ++i) {
            if (!published) {
                refuse(batches[i], published.error());
            } else if (const auto& outcome = published.value().outcomes[i];
                       outcome.code != Errc::ok) {
                refuse(batches[i], error_of(published.value(), outcome.code));
            } else {
                accept(batches[i], outcome);
            }
        }
        if (--shards_left_ == 0) {
            next_round();
        }
    }
    /// What stands behind it in its partition must not overtake it.
    void refuse(const DoorBatch& batch, const Error& error) {
        auto behind = waiting_.extract(batch.partition_index);
        for (const auto number : batch.records) {
            outcomes_[number].error = error;
        }
        if (behind.empty()) {
            return;
        }
        for (const auto& one : behind.mapped()) {
            for (const auto number : one.records) {
                outcomes_[number].error = error;
            }
        }
    }
    void accept(const DoorBatch& batch, const PublishOutcome& outcome) {
        auto next = outcome.base_offset;
        auto repeat = outcome.repeats.begin();
        for (std::uint32_t i = 0; i < batch.records.size(); ++i) {
            auto& made = outcomes_[batch.records[i]];
            made.durability = outcome.durability;
            if (repeat != outcome.repeats.end() && repeat->number == i) {
                made.offset = repeat->offset;
                made.append_time_us = repeat->append_time_us;
                made.is_duplicate = true;
                ++repeat;
                continue;
            }
            made.offset = next;
            made.append_time_us = outcome.append_time_us;
            made.is_duplicate = outcome.duplicate;
            ++next;
        }
    }
    void finish() {
        if (const auto done = std::exchange(done_, nullptr)) {
            done(std::move(outcomes_));
        }
    }

    /// The place in its batch can make a record longer than it is alone.
    static constexpr std::size_t margin_bytes = 16;

    const ShardGate& gate_;
    ParsedRecords records_;
    std::vector<RecordOutcome> outcomes_;
    PublishedDone done_;
    std::shared_ptr<const TopicInfo> topic_;
    std::map<std::uint32_t, std::vector<DoorBatch>> waiting_;  ///< by partition, in order
    std::size_t shards_left_ = 0;
};

void Publisher::publish(const std::string& topic, ParsedRecords records, PublishedDone done) {
    if (!gate_.is_open()) {
        std::vector<RecordOutcome> outcomes(records.size());
        for (auto& outcome : outcomes) {
            outcome.error = gate_.closed();
        }
        done(std::move(outcomes));
        return;
    }
    std::make_shared<Run>(gate_, std::move(records), std::move(done))
        ->start(topic, clock_.unix_now(), {.batch_bytes_max = batch_bytes_max_, .turn = turn_++});
}

}  // namespace millrace::broker::http
