#include "broker/delivery/jobs/replay/replay_sink.hpp"

#include <algorithm>
#include <utility>

#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"
#include "client/wire/partitioner.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::delivery {
namespace {

/// Without a key, what came from one partition stays in one.
std::uint32_t partition_index(const ReplayRecord& record,
                              const wire::RecordView& view,
                              std::uint32_t partition_count) {
    if (view.key) {
        return wire::partition_of_key(*view.key, partition_count);
    }
    const auto from = record.origin.topic + "/" + std::to_string(record.origin.partition_index);
    return wire::partition_of_key(from, partition_count);
}

}  // namespace

void ReplaySink::add(ReplayRecord record) {
    bytes_ += record.record.size();
    waiting_.push_back({.record = std::move(record)});
}

Result<std::vector<ReplaySink::Batch>> ReplaySink::batches() {
    MILLRACE_TRY(const auto view, shards_.catalog());
    const auto found = view->topics.find(options_.topic);
    if (found == view->topics.end()) {
        return fail(Errc::unknown_topic, "topic \"" + options_.topic + "\" does not exist");
    }
    const auto& partitions = found->second->partitions;
    std::map<PartitionId, std::size_t> open;
    std::vector<Batch> made;
    for (auto& waiting : waiting_) {
        MILLRACE_TRY(const auto view_of, wire::parse_plain_record(waiting.record.record));
        const auto& partition = partitions[partition_index(
            waiting.record, view_of, static_cast<std::uint32_t>(partitions.size()))];
        const auto bytes = waiting.record.record.size() + replay_stamp_bytes_max;
        const auto at = open.find(partition.id);
        if (at == open.end() || made[at->second].bytes + bytes > options_.batch_bytes_max) {
            const auto round = at == open.end() ? 0 : made[at->second].round + 1;
            open[partition.id] = made.size();
            made.push_back({.partition = partition.id,
                            .shard = partition.shard,
                            .round = round,
                            .records = {}});
        }
        auto& batch = made[open.at(partition.id)];
        batch.records.push_back(&waiting);
        batch.bytes += bytes;
    }
    return made;
}

Result<std::vector<std::byte>> ReplaySink::encode(const std::vector<Waiting*>& records,
                                                  wire::Codec codec) const {
    wire::RecordBatchBuilder builder;
    const auto id = std::to_string(options_.job);
    for (const auto* const waiting : records) {
        MILLRACE_TRY(auto view, wire::parse_plain_record(waiting->record.record));
        const auto origin = format_origin(waiting->record.origin);
        std::erase_if(view.headers, [](const wire::HeaderView& header) {
            return header.key == replay_id_header || header.key == origin_header;
        });
        view.headers.push_back({.key = replay_id_header, .value = id});
        view.headers.push_back({.key = origin_header, .value = origin});
        builder.add(view);
    }
    return builder.finish({}, codec);
}

void ReplaySink::count(const std::vector<Waiting*>& records, std::size_t bytes) {
    sent_.records += records.size();
    sent_.bytes += bytes;
    for (auto* const waiting : records) {
        waiting->is_done = true;
    }
}

Result<void> ReplaySink::publish(ShardId shard, const std::vector<Batch*>& batches) {
    std::vector<JobBatch> encoded;
    std::vector<std::size_t> bytes;
    for (const auto* const batch : batches) {
        MILLRACE_TRY(auto one, encode(batch->records, wire::Codec::none));
        bytes.push_back(one.size());
        encoded.push_back({.partition = batch->partition, .batch = std::move(one)});
    }
    MILLRACE_TRY(const auto published, shards_.publish(shard, std::move(encoded)));
    Result<void> outcome = ok();
    for (std::size_t i = 0; i < batches.size() && i < published.codes.size(); ++i) {
        const auto code = published.codes[i];
        if (code == Errc::ok) {
            count(batches[i]->records, bytes[i]);
        } else if (code == Errc::record_too_large) {
            MILLRACE_TRY(publish_one_by_one(*batches[i]));
        } else if (outcome) {
            outcome = fail(code, published.text);
        }
    }
    return outcome;
}

Result<void> ReplaySink::publish_one_by_one(const Batch& batch) {
    for (auto* const waiting : batch.records) {
        // Packed, since it may have come in a packed batch and be too large for any other.
        MILLRACE_TRY(auto encoded, encode({waiting}, wire::Codec::zstd));
        const auto bytes = encoded.size();
        std::vector<JobBatch> one;
        one.push_back({.partition = batch.partition, .batch = std::move(encoded)});
        MILLRACE_TRY(const auto published, shards_.publish(batch.shard, std::move(one)));
        const auto code = published.codes.empty() ? Errc::internal : published.codes.front();
        if (code == Errc::ok) {
            count({waiting}, bytes);
        } else if (code == Errc::record_too_large) {
            ++sent_.refused;
            sent_.error = format_origin(waiting->record.origin) + ": " + published.text;
            waiting->is_done = true;
        } else {
            return fail(code, published.text);
        }
    }
    return ok();
}

std::map<ShardId, std::vector<ReplaySink::Batch*>> ReplaySink::of_round(std::vector<Batch>& batches,
                                                                        std::size_t round) {
    std::map<ShardId, std::vector<Batch*>> by_shard;
    for (auto& batch : batches) {
        if (batch.round == round) {
            by_shard[batch.shard].push_back(&batch);
        }
    }
    return by_shard;
}

Result<void> ReplaySink::flush() {
    if (waiting_.empty()) {
        return ok();
    }
    MILLRACE_TRY(auto made, batches());
    Result<void> outcome = ok();
    // A partition's second batch goes when its first is durable, so that their order holds.
    for (std::size_t round = 0, left = made.size(); left > 0 && outcome; ++round) {
        for (const auto& [shard, batches] : of_round(made, round)) {
            left -= batches.size();
            const auto published = publish(shard, batches);
            outcome = published ? outcome : published;
        }
    }
    std::erase_if(waiting_, [](const Waiting& waiting) { return waiting.is_done; });
    bytes_ = 0;
    for (const auto& waiting : waiting_) {
        bytes_ += waiting.record.record.size();
    }
    return outcome;
}

}  // namespace millrace::broker::delivery
