#include <utility>

#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/logging.hpp"

// What happens to the record whose turn it is among those of its key.

namespace millrace::broker::delivery {
namespace {

constexpr std::int64_t read_again_us = 1'000'000;

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
        settle_item(item, nullptr);
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
    shard_.read({.partition = partition, .from = offset, .bytes_max = 1},
                [this, alive = is_alive_, partition, offset, key, epoch = epoch_of(partition)](
                    const Result<storage::ReadResult>& result) {
                    if (*alive && epoch_of(partition) == epoch) {
                        take_one(partition, offset, key, result);
                    }
                });
}

void Engine::take_one(PartitionId partition,
                      Offset offset,
                      const std::string& key,
                      const Result<storage::ReadResult>& result) {
    const auto header = result ? load_batch_header(result.value().runs) : std::nullopt;
    if (!header) {
        const bool is_gone = result || result.error().code == Errc::offset_out_of_range;
        if (is_gone) {
            give_up(partition, offset, key);
        } else {
            const auto now = shard_.runtime().clock().unix_now();
            wait(partition, offset, {.due_us = now + read_again_us, .is_retry = true, .key = key});
        }
        return;
    }
    std::optional<Item> item;
    const auto batch = std::span<const std::byte>(result.value().runs)
                           .subspan(BatchHeader::bytes, header->batch_bytes);
    const auto visited =
        wire::visit_records(batch, [&](std::uint32_t number, const wire::RecordView& view) {
            if (header->base_offset + number != offset) {
                return true;
            }
            item = Item{.partition = partition,
                        .offset = offset,
                        .append_time_us = header->append_time_us,
                        .times = record_times(view),
                        .key = std::string(view.key.value_or("")),
                        .letter = std::nullopt,
                        .record = wire::format_plain_record(view)};
            return false;
        });
    if (!visited || !item) {
        give_up(partition, offset, key);
    } else {
        take_head(std::move(*item));
    }
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
        if (*alive && epoch_of(partition) == epoch) {
            release_key(partition, key);
            pump_soon();
        }
    });
}

void Engine::release_key(PartitionId partition, const std::string& key) {
    if (!is_ordered(key)) {
        return;
    }
    auto next = keys_.release(partition, key);
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
