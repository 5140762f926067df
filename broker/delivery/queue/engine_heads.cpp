#include <algorithm>
#include <utility>

#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/logging.hpp"

// What happens to the record whose turn it is among those of its key.

namespace millrace::broker::delivery {
namespace {

constexpr std::int64_t read_again_us = 1'000'000;
constexpr std::size_t head_read_bytes = std::size_t{128} * 1024;

}  // namespace

void Engine::admit(Item item) {
    const auto now = shard_.runtime().clock().unix_now();
    if (item.times.is_over(now)) {
        expire(std::move(item));
    } else if (const auto until = item.times.waits_until(now)) {
        wait(item.partition, item.offset, {.due_us = *until, .is_retry = false, .key = item.key});
    } else {
        make_ready(std::move(item));
    }
}

void Engine::expire(Item item) {
    metrics_->expired.add();
    if (info_->expired == ExpiredRule::dead_letter) {
        const Nack nack{.error = "was not delivered before its expires-at"};
        open_letter(std::move(item), nack, Cause::expired, nullptr);
    } else {
        settle_record(item.partition, item.offset, std::move(item.key), nullptr);
    }
}

void Engine::activate(PartitionId partition, Flow& flow) {
    if (!flow.ready.empty() && !std::exchange(flow.is_active, true)) {
        active_.push_back(partition);
    }
}

void Engine::make_ready(Item item) {
    auto& flow = flow_of(item.partition);
    const auto partition = item.partition;
    flow.ready.push_back(std::move(item));
    ++ready_count_;
    activate(partition, flow);
}

void Engine::requeue_front(Item item) {
    if (item.letter) {
        redriven_.push_front(*item.letter);
        return;
    }
    auto& flow = flow_of(item.partition);
    const auto partition = item.partition;
    flow.ready.push_front(std::move(item));
    ++ready_count_;
    activate(partition, flow);
}

void Engine::read_one(PartitionId partition, Offset offset, const std::string& key) {
    auto& flow = flow_of(partition);
    flow.heads.emplace(offset, key);
    if (!std::exchange(flow.is_reading_heads, true)) {
        read_heads_soon(partition);
    }
}

void Engine::read_heads_soon(PartitionId partition) {
    shard_.runtime().post([this, alive = is_alive_, partition] {
        if (*alive) {
            read_heads(partition);
        }
    });
}

void Engine::read_heads(PartitionId partition) {
    const auto found = flows_.find(partition);
    if (found == flows_.end()) {
        return;
    }
    auto& flow = found->second;
    if (flow.heads.empty()) {
        flow.is_reading_heads = false;
        return;
    }
    const auto from = flow.heads.begin()->first;
    shard_.read({.partition = partition, .from = from, .bytes_max = head_read_bytes},
                [this, alive = is_alive_, partition, from, epoch = epoch_of(partition)](
                    const Result<storage::ReadResult>& result) {
                    if (!*alive) {
                        return;
                    }
                    if (is_current(partition, epoch)) {
                        take_heads(partition, from, result);
                    }
                    read_heads_soon(partition);
                });
}

void Engine::take_heads(PartitionId partition,
                        Offset from,
                        const Result<storage::ReadResult>& result) {
    auto& flow = flow_of(partition);
    auto end = from + 1;
    if (result) {
        take_heads_of(flow, result.value().runs);
        const auto& read = result.value();
        end = std::max({end, read.next, read.damage ? read.skip_to : read.next});
    }
    // What should have been there and was not. What lies before the read was asked for since.
    const bool is_gone = result || result.error().code == Errc::offset_out_of_range ||
                         result.error().code == Errc::unknown_partition;
    for (auto at = flow.heads.lower_bound(from); at != flow.heads.end() && at->first < end;) {
        const auto [offset, key] = *at;
        at = flow.heads.erase(at);
        if (is_gone) {
            give_up(partition, offset, key);
        } else {
            const auto now = shard_.runtime().clock().unix_now();
            wait(partition, offset, {.due_us = now + read_again_us, .is_retry = true, .key = key});
        }
    }
}

/// What else the batches have for parked records is kept, as long as there is room.
void Engine::take_heads_of(Flow& flow, std::span<const std::byte> runs) {
    while (const auto header = load_batch_header(runs)) {
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        const auto take = [&](std::uint32_t number, const wire::RecordView& view) {
            return take_or_keep(flow, *header, header->base_offset + number, view);
        };
        if (const auto visited = wire::visit_records(batch, take); !visited) {
            log_error("delivery", info_->name + ": " + visited.error().text);
        }
        runs = runs.subspan(header->run_bytes());
    }
}

bool Engine::take_or_keep(Flow& flow,
                          const BatchHeader& header,
                          Offset offset,
                          const wire::RecordView& view) {
    if (flow.heads.erase(offset) > 0) {
        take_head(item_at(header, offset, view));
    } else if (keys_.lacks(header.partition, view.key.value_or(""), offset)) {
        keys_.keep(item_at(header, offset, view));
    }
    return !flow.heads.empty() || keys_.has_room();
}

Item Engine::item_at(const BatchHeader& header, Offset offset, const wire::RecordView& view) {
    return {.partition = header.partition,
            .offset = offset,
            .append_time_us = header.append_time_us,
            .times = record_times(view),
            .key = std::string(view.key.value_or("")),
            .letter = std::nullopt,
            .record = wire::format_plain_record(view)};
}

/// The head of its key, as it was kept or as it was read again.
void Engine::take_head(Item item) {
    const auto& progress = flow_of(item.partition).progress;
    if (progress.settled().contains(item.offset)) {
        give_up(item.partition, item.offset, item.key);
        return;
    }
    if (const auto* const retry = progress.find_retry(item.offset)) {
        item.attempts = retry->attempts;
        item.first_failure_us = retry->first_failure_us;
    }
    if (is_ordered(item.key)) {
        keys_.take(item.partition, item.key);
    }
    admit(std::move(item));
    pump_soon();
}

void Engine::give_up(PartitionId partition, Offset offset, const std::string& key) {
    if (!flow_of(partition).progress.settled().contains(offset)) {
        log_warning("delivery",
                    info_->name + ": partition " + std::to_string(partition.value) + ", offset " +
                        std::to_string(offset.value) + " is gone before it was settled");
        settle_quietly(partition, offset, 1);
    }
    // Not here: what follows may be gone as well, and so on.
    shard_.runtime().post([this, alive = is_alive_, partition, key, epoch = epoch_of(partition)] {
        if (*alive && is_current(partition, epoch)) {
            release_key(partition, key);
            pump_soon();
        }
    });
}

void Engine::release_key(PartitionId partition, const std::string& key) {
    if (!is_ordered(key)) {
        return;
    }
    go_on(partition, key, keys_.release(partition, key));
}

void Engine::go_on(PartitionId partition,
                   const std::string& key,
                   std::optional<KeyTable::Parked> next) {
    if (!next) {
        return;
    }
    if (next->item) {
        take_head(std::move(*next->item));
    } else {
        read_one(partition, next->offset, key);
    }
}

}  // namespace millrace::broker::delivery
