#include <algorithm>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/logging.hpp"

// How records get from the log to consumers.

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t read_bytes = std::size_t{128} * 1024;
constexpr std::size_t ready_max = 1024;  ///< records read ahead of the consumers

}  // namespace

std::string Engine::key_of(PartitionId partition, std::string_view key) const {
    return std::to_string(partition.value) + "/" + std::string(key);
}

bool Engine::may_flow() const {
    return has_started_ && !info_->paused &&
           circuit_.in_flight_max(info_->window) > in_flight_.size();
}

std::size_t Engine::credit_left() const {
    std::size_t credit = 0;
    for (const auto& [id, session] : sessions_) {
        credit += session.credit;
    }
    return credit;
}

void Engine::pump() {
    // A read that is answered from memory comes back in here: the outer call goes round once more
    // instead.
    must_pump_again_ = true;
    if (std::exchange(is_pumping_, true)) {
        return;
    }
    while (std::exchange(must_pump_again_, false)) {
        if (may_flow() && credit_left() > 0) {
            dispatch();
            read_more();
        }
    }
    is_pumping_ = false;
}

void Engine::on_advance(PartitionId partition) {
    if (!sessions_.empty() && progress_.contains(partition)) {
        pump();
    }
}

void Engine::read_more() {
    for (auto& [partition, progress] : progress_) {
        if (ready_.size() + reads_under_way_ * 64 >= ready_max) {
            return;
        }
        if (!progress.is_reading) {
            read(partition, progress);
        }
    }
}

void Engine::read(PartitionId partition, Progress& progress) {
    const auto limits = shard_.bounds(partition);
    if (!limits || !progress.is_known) {
        return;
    }
    if (progress.read_at < limits->first) {
        // Retention has passed by: what was not settled is gone.
        progress.settled.add(
            progress.settled.floor(),
            limits->first.value - std::min(limits->first, progress.settled.floor()).value);
        progress.read_at = limits->first;
    }
    if (progress.read_at >= limits->next) {
        return;
    }
    if (parked_records_ >= info_->parked_records_max) {
        blocked_reason_ = "limit parked_records_max of " +
                          std::to_string(info_->parked_records_max) +
                          " is reached: settle the dead letters that block";
        return;
    }
    if (keys_.size() >= info_->parked_keys_max + ready_max + info_->window) {
        blocked_reason_ = "limit parked_keys_max of " + std::to_string(info_->parked_keys_max) +
                          " is reached: settle the dead letters that block";
        return;
    }
    blocked_reason_.clear();
    progress.is_reading = true;
    ++reads_under_way_;
    shard_.read({.partition = partition, .from = progress.read_at, .bytes_max = read_bytes},
                [this, alive = is_alive_, partition, epoch = progress.epoch](
                    const Result<storage::ReadResult>& result) {
                    if (*alive) {
                        take_runs(partition, epoch, result);
                    }
                });
}

void Engine::take_runs(PartitionId partition,
                       std::uint32_t epoch,
                       const Result<storage::ReadResult>& result) {
    --reads_under_way_;
    const auto found = progress_.find(partition);
    if (found == progress_.end()) {
        return;
    }
    auto& progress = found->second;
    progress.is_reading = false;
    if (!result || progress.epoch != epoch) {
        return;
    }
    std::span<const std::byte> runs(result.value().runs);
    while (const auto header = load_batch_header(runs)) {
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        const auto take = [&](std::uint32_t number, const wire::RecordView& view) {
            take_view(progress, *header, header->base_offset + number, view);
            return true;
        };
        const auto visited = wire::visit_records(batch, take);
        if (!visited) {
            log_error("delivery",
                      "partition " + std::to_string(partition.value) + ": " + visited.error().text);
            progress.read_at = std::max(progress.read_at, header->last_offset() + 1);
        }
        runs = runs.subspan(header->run_bytes());
    }
    if (result.value().damage) {
        log_error("delivery",
                  info_->name + ": skips damaged records: " + result.value().damage->text);
        progress.settled.add(result.value().next,
                             result.value().skip_to.value - result.value().next.value);
        progress.is_dirty = true;
        progress.read_at = std::max(progress.read_at, result.value().skip_to);
    }
    pump();
}

void Engine::take_view(Progress& progress,
                       const BatchHeader& header,
                       Offset offset,
                       const wire::RecordView& view) {
    if (offset < progress.read_at) {
        return;
    }
    progress.read_at = offset + 1;
    if (progress.settled.contains(offset)) {
        return;
    }
    take_record(header.partition,
                progress,
                {.partition = header.partition,
                 .offset = offset,
                 .append_time_us = header.append_time_us,
                 .key = std::string(view.key.value_or("")),
                 .letter = std::nullopt,
                 .record = wire::format_plain_record(view)});
}

void Engine::take_record(PartitionId partition, Progress& progress, Item item) {
    const auto retry = progress.retries.find(item.offset);
    const bool is_ordered = info_->order == Order::key && !item.key.empty();
    if (is_ordered) {
        const auto key = key_of(partition, item.key);
        const auto [state, is_first] = keys_.try_emplace(key);
        if (!is_first && retry == progress.retries.end()) {
            state->second.parked.push_back(item.offset);
            ++parked_records_;
            return;
        }
    }
    if (retry != progress.retries.end()) {
        retry->second.key = item.key;
        return;  // its timer brings it; its key stays busy
    }
    ready_.push_back(std::move(item));
}

void Engine::read_one(PartitionId partition, Offset offset, const std::string& key) {
    shard_.read(
        {.partition = partition, .from = offset, .bytes_max = 1},
        [this, alive = is_alive_, partition, offset, key, epoch = progress_of(partition).epoch](
            const Result<storage::ReadResult>& result) {
            if (*alive && progress_of(partition).epoch == epoch) {
                take_one(partition, offset, key, result);
            }
        });
}

void Engine::take_one(PartitionId partition,
                      Offset offset,
                      const std::string& key,
                      const Result<storage::ReadResult>& result) {
    auto& progress = progress_of(partition);
    if (progress.settled.contains(offset)) {
        return;
    }
    const auto header = result ? load_batch_header(result.value().runs) : std::nullopt;
    if (!header) {
        const bool is_gone = result || result.error().code == Errc::offset_out_of_range;
        if (is_gone) {
            give_up(partition, offset, key);
        }
        return;
    }
    const auto batch = std::span<const std::byte>(result.value().runs)
                           .subspan(BatchHeader::bytes, header->batch_bytes);
    const auto visited =
        wire::visit_records(batch, [&](std::uint32_t number, const wire::RecordView& view) {
            if (header->base_offset + number != offset) {
                return true;
            }
            Item item{.partition = partition,
                      .offset = offset,
                      .append_time_us = header->append_time_us,
                      .key = std::string(view.key.value_or("")),
                      .letter = std::nullopt,
                      .record = wire::format_plain_record(view)};
            if (const auto retry = progress.retries.find(offset); retry != progress.retries.end()) {
                item.attempts = retry->second.attempts;
                item.first_failure_us = retry->second.first_failure_us;
            }
            if (info_->order == Order::key && !item.key.empty()) {
                keys_.try_emplace(key_of(partition, item.key));
            }
            ready_.push_front(std::move(item));
            return false;
        });
    if (!visited) {
        give_up(partition, offset, key);
    }
    pump();
}

void Engine::give_up(PartitionId partition, Offset offset, const std::string& key) {
    log_warning("delivery",
                info_->name + ": partition " + std::to_string(partition.value) + ", offset " +
                    std::to_string(offset.value) + " is gone before it was settled");
    auto& progress = progress_of(partition);
    progress.settled.add(offset, 1);
    progress.retries.erase(offset);
    progress.is_dirty = true;
    release_key({.partition = partition, .offset = offset, .key = key, .letter = {}, .record = {}});
}

void Engine::release_key(const Item& item) {
    if (info_->order != Order::key || item.key.empty()) {
        return;
    }
    const auto found = keys_.find(key_of(item.partition, item.key));
    if (found == keys_.end()) {
        return;
    }
    if (found->second.parked.empty()) {
        keys_.erase(found);
        return;
    }
    const auto next = found->second.parked.front();
    found->second.parked.pop_front();
    --parked_records_;
    read_one(item.partition, next, item.key);
}

void Engine::requeue_front(Item item) {
    if (item.letter) {
        redriven_.push_front(*item.letter);
    } else {
        ready_.push_front(std::move(item));
    }
}

Engine::Item Engine::item_of(const Letter& letter) const {
    const auto failures = letter_failures_.find(letter.id);
    return {
        .partition = letter.partition,
        .offset = letter.offset,
        .append_time_us = letter.append_time_us,
        .attempts = letter.attempts + (failures == letter_failures_.end() ? 0 : failures->second),
        .attempts_before = letter.attempts,
        .first_failure_us = letter.first_failure_us,
        .key = letter.key,
        .letter = letter.id,
        .record = letter.edited.empty() ? letter.record : letter.edited};
}

std::optional<Engine::Item> Engine::next_item() {
    while (!redriven_.empty()) {
        const auto id = redriven_.front();
        redriven_.pop_front();
        const auto letter = letters_.load(info_->id, id);
        if (letter && letter.value().state == LetterState::redriven) {
            return item_of(letter.value());
        }
    }
    if (ready_.empty()) {
        return std::nullopt;
    }
    auto item = std::move(ready_.front());
    ready_.pop_front();
    return item;
}

void Engine::dispatch() {
    const auto now = shard_.runtime().clock().steady_now();
    auto at = sessions_.upper_bound(last_served_);
    std::size_t without_credit = 0;
    while (may_flow() && without_credit < sessions_.size()) {
        if (at == sessions_.end()) {
            at = sessions_.begin();
        }
        auto& [id, session] = *at;
        ++at;
        if (session.credit == 0) {
            ++without_credit;
            continue;
        }
        auto item = next_item();
        if (!item) {
            break;
        }
        without_credit = 0;
        --session.credit;
        last_served_ = id;
        const auto delivery = ++last_delivery_;
        in_flight_.emplace(
            delivery,
            InFlight{.session = id,
                     .item = std::move(*item),
                     .deadline = now + std::chrono::milliseconds(info_->ack_timeout_ms)});
        session.batch.push_back(delivery);
    }
    for (auto& [id, session] : sessions_) {
        send(session);
    }
}

void Engine::send(Session& session) {
    if (session.batch.empty()) {
        return;
    }
    std::vector<Delivery> deliveries;
    deliveries.reserve(session.batch.size());
    for (const auto id : std::exchange(session.batch, {})) {
        const auto& item = in_flight_.at(id).item;
        deliveries.push_back({.delivery_id = id,
                              .partition = item.partition,
                              .offset = item.offset,
                              .append_time_us = item.append_time_us,
                              .attempt = item.attempts + 1,
                              .record = item.record});
    }
    delivered_.add(deliveries.size());
    session.target->on_deliveries(shard_.id(), deliveries);
}

std::vector<PartitionId> Engine::partitions() const {
    std::vector<PartitionId> mine;
    for (const auto& topic : shard_.catalog().view()->matching(info_->topics)) {
        for (const auto& partition : topic->partitions) {
            if (partition.shard == shard_.id()) {
                mine.push_back(partition.id);
            }
        }
    }
    return mine;
}

Engine::Progress& Engine::progress_of(PartitionId partition) {
    return progress_[partition];
}

void Engine::find_origin(PartitionId partition, Progress& progress) {
    const auto limits = shard_.store().bounds(partition);
    progress.epoch = info_->seek_epoch;
    progress.origin = limits.first;
    if (info_->start != StartAt::earliest) {
        const bool is_first_start = info_->start == StartAt::latest && info_->seek_epoch == 0;
        const auto time = is_first_start ? info_->created_us : info_->start_time_us;
        const auto found = shard_.store().offset_at(partition, time);
        progress.origin = found ? found.value() : limits.next;
    }
    progress.settled = IntervalSet(progress.origin);
    progress.retries.clear();
    progress.read_at = progress.origin;
    progress.is_known = true;
    progress.is_dirty = true;
}

}  // namespace millrace::broker::delivery
