#include "broker/gateways/http/records/topic_reader.hpp"

#include <algorithm>
#include <utility>

#include "broker/gateways/http/records/record_text.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::http {

TopicReader::TopicReader(const ShardGate& gate,
                         std::shared_ptr<const TopicInfo> topic,
                         Positions positions,
                         Options options)
    : gate_(gate),
      topic_(std::move(topic)),
      positions_(std::move(positions)),
      options_(std::move(options)) {
    for (const auto& [index, offset] : positions_.offsets) {
        shards_[topic_->partitions[index].shard].partitions.push_back(index);
    }
}

void TopicReader::next(std::chrono::milliseconds wait_max, PieceDone done) {
    done_ = std::move(done);
    wants_all_ = wait_max.count() == 0;
    for (auto& [shard, part] : shards_) {
        if (!part.is_fetching && !part.ready) {
            fetch(shard, part, wait_max);
        }
    }
    if (!must_wait()) {
        answer();
    }
}

bool TopicReader::is_outdated() const {
    const auto& topics = gate_.catalog()->topics;
    const auto found = topics.find(topic_->name);
    return positions_.has_all && found != topics.end() &&
           found->second->partitions.size() != topic_->partitions.size();
}

void TopicReader::fetch(ShardId shard, ShardPart& part, std::chrono::milliseconds wait_max) {
    delivery::FetchPlan plan{
        .wanted = {}, .bytes_min = 1, .bytes_max = options_.fetch_bytes, .wait_max = wait_max};
    std::rotate(part.partitions.begin(), part.partitions.begin() + 1, part.partitions.end());
    for (const auto index : part.partitions) {
        plan.wanted.push_back({.partition = topic_->partitions[index].id,
                               .offset = positions_.offsets.at(index),
                               .bytes_max = options_.fetch_bytes});
    }
    part.is_fetching = true;
    gate_.ask<Parts>(
        shard,
        [plan = std::move(plan)](const ShardLink& link, const auto& done) {
            link.fetcher->start(plan, done);
        },
        // Who waits for the shard keeps the reader, and the reader who waits for it.
        [self = shared_from_this(), shard](Result<Parts> parts) {
            self->take(shard, std::move(parts));
        });
}

void TopicReader::take(ShardId shard, Result<Parts> parts) {
    auto& part = shards_.at(shard);
    part.is_fetching = false;
    // Nothing is an answer too: while others are waited for, this shard would not be asked again.
    part.ready = std::move(parts);
    if (done_ != nullptr && !must_wait()) {
        answer();
    }
}

bool TopicReader::must_wait() const {
    const auto is_fetching = [](const auto& one) { return one.second.is_fetching; };
    const auto is_ready = [](const auto& one) { return one.second.ready.has_value(); };
    return std::ranges::any_of(shards_, is_fetching) &&
           (wants_all_ || std::ranges::none_of(shards_, is_ready));
}

void TopicReader::answer() {
    const auto done = std::exchange(done_, nullptr);
    ReadPiece piece;
    for (auto& [shard, part] : shards_) {
        if (!part.ready || piece.records.size() >= options_.records_max) {
            continue;
        }
        const auto parts = *std::exchange(part.ready, std::nullopt);
        if (const auto added = add_all(parts, piece); !added) {
            done(added.error());
            return;
        }
    }
    done(std::move(piece));
}

Result<void> TopicReader::add_all(const Result<Parts>& parts, ReadPiece& piece) {
    if (!parts) {
        return parts.error();
    }
    for (const auto& fetched : parts.value()) {
        MILLRACE_TRY(add(fetched, piece));
    }
    return ok();
}

Result<void> TopicReader::add(const delivery::Fetched& fetched, ReadPiece& piece) {
    const auto found = std::ranges::find(topic_->partitions, fetched.partition, &PartitionInfo::id);
    const auto index = static_cast<std::uint32_t>(found - topic_->partitions.begin());
    add_records(index, fetched.runs, piece);
    if (!fetched.error) {
        return ok();
    }
    auto& position = positions_.offsets.at(index);
    const bool is_damage = fetched.skip_to > position;
    const bool is_expired =
        fetched.error->code == Errc::offset_out_of_range && position < fetched.first;
    if (!is_damage && !is_expired) {
        return *fetched.error;
    }
    // What the piece has no room for is read again, and the gap met again.
    if (piece.records.size() < options_.records_max) {
        const auto to = is_damage ? fetched.skip_to : fetched.first;
        piece.gaps.push_back({.partition_index = index,
                              .from = std::exchange(position, to),
                              .to = to,
                              .why = fetched.error->text});
    }
    return ok();
}

void TopicReader::add_records(std::uint32_t partition_index,
                              std::span<const std::byte> runs,
                              ReadPiece& piece) {
    while (piece.records.size() < options_.records_max) {
        const auto header = load_batch_header(runs);
        if (!header) {
            return;
        }
        add_batch(
            partition_index, *header, runs.subspan(BatchHeader::bytes, header->batch_bytes), piece);
        runs = runs.subspan(std::min(header->run_bytes(), runs.size()));
    }
}

void TopicReader::add_batch(std::uint32_t partition_index,
                            const BatchHeader& header,
                            std::span<const std::byte> batch,
                            ReadPiece& piece) {
    auto& position = positions_.offsets.at(partition_index);
    const auto take = [&](std::uint32_t number, const wire::RecordView& record) {
        const auto offset = header.base_offset + number;
        if (offset < position) {
            return true;
        }
        piece.records.push_back(record_to_json(record,
                                               {.topic = topic_->name,
                                                .partition_index = partition_index,
                                                .offset = offset,
                                                .append_time_us = header.append_time_us}));
        position = offset + 1;
        if (options_.has_positions) {
            piece.positions.push_back(format_positions(positions_));
        }
        return piece.records.size() < options_.records_max;
    };
    if (const auto visited = wire::visit_records(batch, take); !visited) {
        const auto behind = header.last_offset() + 1;
        piece.gaps.push_back({.partition_index = partition_index,
                              .from = std::exchange(position, behind),
                              .to = behind,
                              .why = visited.error().text});
    }
}

}  // namespace millrace::broker::http
