#include <algorithm>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"
#include "broker/delivery/letters/letter_gauges.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/logging.hpp"

// How records get from the log to what is ready for consumers.

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t read_bytes = std::size_t{128} * 1024;
constexpr std::size_t ready_max = 1024;           ///< records read ahead of the consumers
constexpr std::size_t partition_ready_max = 256;  ///< of them from one partition
constexpr std::size_t records_per_read = 64;      ///< as a guess, while a read is under way
constexpr Duration filter_time_max{1'000};        ///< then others have their turn
constexpr std::size_t filter_records_max = 512;
constexpr std::size_t filter_fault_bytes_max = 512;  ///< the rest is left out
constexpr Duration read_again{1'000'000};            ///< what the disk did not give

}  // namespace

void Engine::on_advance(PartitionId partition) {
    const auto found = flows_.find(partition);
    if (found == flows_.end()) {
        return;
    }
    want_read(partition, found->second);
    if (!sessions_.empty()) {
        pump();
    }
}

void Engine::want_read(PartitionId partition, Flow& flow) {
    if (flow.progress.is_known() && !flow.is_reading && !std::exchange(flow.is_queued, true)) {
        to_read_.push_back(partition);
    }
}

bool Engine::has_room() const {
    // Keys that are about to be free have their next records here already.
    if (!keys_.has_room() && (proposals_ > 0 || !settlings_.empty() || ready_count_ > 0)) {
        return false;
    }
    return ready_count_ + reads_under_way_ * records_per_read < ready_max;
}

/// Keys of what is on its way, or ready, are busy as well.
std::size_t Engine::busy_keys_max() const {
    return info_->parked_keys_max + ready_max + info_->window;
}

std::int64_t Engine::limit_percent() const {
    return std::max({percent_of(keys_.busy_keys(), busy_keys_max()),
                     percent_of(keys_.parked_records(), info_->parked_records_max),
                     percent_of(wait_count_, info_->waiting_records_max)});
}

std::string Engine::limit_reached() const {
    const auto text = [](const char* name, std::uint32_t limit, const char* action) {
        return std::string("limit ") + name + " of " + std::to_string(limit) +
               " is reached: " + action;
    };
    if (auto full = letters_.full_reason(info_->id); !full.empty()) {
        return full;
    }
    if (keys_.parked_records() >= info_->parked_records_max) {
        return text(
            "parked_records_max", info_->parked_records_max, "settle the dead letters that block");
    }
    if (keys_.busy_keys() >= busy_keys_max()) {
        return text(
            "parked_keys_max", info_->parked_keys_max, "settle the dead letters that block");
    }
    if (wait_count_ >= info_->waiting_records_max) {
        return text("waiting_records_max",
                    info_->waiting_records_max,
                    "so many wait for a retry or their deliver-after");
    }
    return {};
}

void Engine::read_more() {
    for (auto left = to_read_.size(); left > 0 && has_room() && limit_reached().empty(); --left) {
        const auto partition = to_read_.front();
        to_read_.pop_front();
        auto& flow = flow_of(partition);
        if (flow.ready.size() >= partition_ready_max) {
            to_read_.push_back(partition);
            continue;
        }
        flow.is_queued = false;
        read(partition, flow);
    }
}

void Engine::read(PartitionId partition, Flow& flow) {
    const auto limits = shard_.bounds(partition);
    if (!limits) {
        return;
    }
    if (flow.read_at < limits->first) {
        // Retention has passed by: what was not settled is gone.
        const auto floor = flow.progress.settled().floor();
        settle_quietly(
            partition, floor, limits->first.value - std::min(limits->first, floor).value);
        flow.read_at = limits->first;
    }
    if (flow.read_at >= limits->next) {
        return;
    }
    flow.is_reading = true;
    ++reads_under_way_;
    shard_.read(
        {.partition = partition, .from = flow.read_at, .bytes_max = read_bytes},
        [this, alive = is_alive_, partition, epoch = flow.progress.epoch()](
            Result<storage::ReadResult> result) {
            if (!*alive) {
                return;
            }
            --reads_under_way_;
            if (!result) {
                log_error("delivery", info_->name + ": " + result.error().text);
                read_later(partition);
                return;
            }
            take_runs(std::make_shared<Arrived>(Arrived{
                .partition = partition, .epoch = epoch, .result = std::move(result).value()}));
        });
}

void Engine::read_later(PartitionId partition) {
    shard_.runtime().run_after(read_again, [this, alive = is_alive_, partition] {
        if (!*alive) {
            return;
        }
        if (const auto found = flows_.find(partition); found != flows_.end()) {
            end_read(partition, found->second);
        }
    });
}

void Engine::take_runs(const std::shared_ptr<Arrived>& arrived) {
    const auto found = flows_.find(arrived->partition);
    if (found == flows_.end()) {
        return;
    }
    auto& flow = found->second;
    if (flow.progress.epoch() != arrived->epoch) {
        end_read(arrived->partition, flow);
        return;
    }
    FilterBudget budget{.end = shard_.runtime().clock().steady_now() + filter_time_max};
    auto runs = std::span<const std::byte>(arrived->result.runs).subspan(arrived->at);
    while (const auto header = load_batch_header(runs)) {
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        if (!take_batch(flow, *header, batch, budget)) {
            take_runs_later(arrived);
            return;
        }
        runs = runs.subspan(header->run_bytes());
        arrived->at += header->run_bytes();
    }
    take_damage(flow, *arrived);
    end_read(arrived->partition, flow);
}

void Engine::take_runs_later(const std::shared_ptr<Arrived>& arrived) {
    shard_.runtime().post([this, alive = is_alive_, arrived] {
        if (*alive) {
            take_runs(arrived);
        }
    });
}

void Engine::end_read(PartitionId partition, Flow& flow) {
    flow.is_reading = false;
    want_read(partition, flow);
    pump();
}

/// False when the filter has used up its time; what it has judged is not judged again.
bool Engine::take_batch(Flow& flow,
                        const BatchHeader& header,
                        std::span<const std::byte> batch,
                        FilterBudget& budget) {
    const auto catalog = shard_.catalog().view();
    const auto* const ref = catalog->find(header.partition);
    RecordPlacement placement{.id = header.partition,
                              .topic = ref == nullptr ? std::string_view() : ref->topic->name,
                              .partition_index = ref == nullptr ? 0 : ref->index,
                              .append_time_us = header.append_time_us};
    bool is_whole = true;
    const auto visited =
        wire::visit_records(batch, [&](std::uint32_t number, const wire::RecordView& view) {
            placement.offset = header.base_offset + number;
            if (placement.offset < flow.read_at) {
                return true;
            }
            is_whole = !filter_ || !is_spent(budget);
            if (is_whole) {
                ++budget.records;
                take_view(flow, placement, view);
            }
            return is_whole;
        });
    if (!visited) {
        log_error("delivery",
                  info_->name + ": partition " + std::to_string(header.partition.value) + ": " +
                      visited.error().text + "; its records are skipped");
        const auto end = header.last_offset() + 1;
        const auto first = std::min(std::max(flow.read_at, header.base_offset), end);
        settle_quietly(header.partition, first, end.value - first.value);
        flow.read_at = std::max(flow.read_at, end);
    }
    return is_whole;
}

bool Engine::is_spent(const FilterBudget& budget) const {
    return budget.records >= filter_records_max ||
           (budget.records > 0 && shard_.runtime().clock().steady_now() >= budget.end);
}

void Engine::take_damage(Flow& flow, const Arrived& arrived) {
    const auto& result = arrived.result;
    if (!result.damage) {
        return;
    }
    log_error("delivery", info_->name + ": skips damaged records: " + result.damage->text);
    settle_quietly(arrived.partition, result.next, result.skip_to.value - result.next.value);
    flow.read_at = std::max(flow.read_at, result.skip_to);
}

void Engine::take_view(Flow& flow, const RecordPlacement& placement, const wire::RecordView& view) {
    flow.read_at = placement.offset + 1;
    if (flow.progress.settled().contains(placement.offset)) {
        return;
    }
    if (!is_wanted(placement, view)) {
        settle_quietly(placement.id, placement.offset, 1);
        return;
    }
    const auto times = record_times(view);
    metrics_->headers_unreadable.add(times.unreadable_count);
    take_record(flow,
                {.partition = placement.id,
                 .offset = placement.offset,
                 .append_time_us = placement.append_time_us,
                 .times = times,
                 .key = std::string(view.key.value_or("")),
                 .letter = std::nullopt,
                 .record = wire::format_plain_record(view)});
}

bool Engine::is_wanted(const RecordPlacement& placement, const wire::RecordView& view) {
    if (!filter_) {
        return true;
    }
    // A program sees what was replayed where it was first.
    auto seen = placement;
    const auto origin = is_internal_topic(placement.topic)
                            ? parse_origin(view.header(origin_header).value_or(std::string_view()))
                            : std::nullopt;
    if (origin) {
        seen.topic = origin->topic;
        seen.partition_index = origin->partition_index;
        seen.offset = origin->offset;
    }
    auto [verdict, fault] = filter_->judge(view, seen);
    if (verdict == SubscriptionFilter::Verdict::unwanted) {
        metrics_->filtered.add();
    } else if (verdict == SubscriptionFilter::Verdict::failed) {
        metrics_->filter_failed.add();
        fault.resize(std::min(fault.size(), filter_fault_bytes_max));
        filter_fault_ = "the filter failed last on " + std::string(seen.topic) + "/" +
                        std::to_string(seen.partition_index) + "@" +
                        std::to_string(seen.offset.value) + ": " + fault;
    }
    return verdict == SubscriptionFilter::Verdict::wanted;
}

void Engine::take_record(Flow& flow, Item item) {
    const bool is_first = is_ordered(item.key) && keys_.take(item.partition, item.key);
    if (flow.progress.find_retry(item.offset) != nullptr) {
        // Its timer brings it, or has done so; its key stays busy.
        if (const auto found = flow.waits.find(item.offset); found != flow.waits.end()) {
            found->second.key = item.key;
        } else if (const auto head = flow.heads.find(item.offset); head != flow.heads.end()) {
            head->second = item.key;
        }
        return;
    }
    if (is_ordered(item.key) && !is_first) {
        keys_.park(std::move(item));
        return;
    }
    admit(std::move(item));
}

}  // namespace millrace::broker::delivery
