#include "broker/delivery/queue/engine.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_service.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

std::string row_prefix(std::uint32_t subscription) {
    return "q/" + std::to_string(subscription) + "/";
}

Labels labels_of(const Shard& shard, const SubscriptionInfo& info) {
    return {{"subscription", info.name}, {"shard", std::to_string(shard.id().value)}};
}

}  // namespace

Engine::Engine(Shard& shard, LetterStore& letters, std::shared_ptr<const SubscriptionInfo> info)
    : shard_(shard),
      letters_(letters),
      info_(std::move(info)),
      random_(shard.options().random_seed + info_->id),
      delivered_(shard.metrics().counter("millrace_delivery_delivered_total",
                                         "Records handed to consumers.",
                                         labels_of(shard, *info_))),
      acked_(shard.metrics().counter(
          "millrace_delivery_acked_total", "Records settled by ack.", labels_of(shard, *info_))),
      nacked_(shard.metrics().counter("millrace_delivery_nacked_total",
                                      "Records given back by nack or time-out.",
                                      labels_of(shard, *info_))),
      letters_opened_(shard.metrics().counter(
          "millrace_delivery_letters_total", "Dead letters made.", labels_of(shard, *info_))) {}

Engine::~Engine() {
    *is_alive_ = false;
}

void Engine::restore_progress(PartitionId partition, std::string_view row) {
    try {
        parse_progress(row, progress_of(partition));
    } catch (const nlohmann::json::exception& fault) {
        progress_.erase(partition);
        log_error("delivery",
                  "progress of subscription \"" + info_->name +
                      "\" is not readable, its partition " + std::to_string(partition.value) +
                      " is delivered anew: " + fault.what());
    }
}

void Engine::parse_progress(std::string_view row, Progress& progress) {
    const auto json = nlohmann::json::from_cbor(row);
    progress.epoch = json.at("epoch").get<std::uint32_t>();
    progress.origin = Offset{json.at("origin").get<std::uint64_t>()};
    progress.settled = IntervalSet(Offset{json.at("floor").get<std::uint64_t>()});
    for (const auto& range : json.at("ranges")) {
        progress.settled.add(Offset{range.at(0).get<std::uint64_t>()},
                             range.at(1).get<std::uint64_t>());
    }
    for (const auto& retry : json.at("retries")) {
        progress.retries[Offset{retry.at(0).get<std::uint64_t>()}] = {
            .attempts = retry.at(1).get<std::uint32_t>(),
            .not_before_us = retry.at(2).get<UnixMicros>(),
            .first_failure_us = retry.at(3).get<UnixMicros>()};
    }
    progress.read_at = progress.settled.floor();
    progress.is_known = true;
}

void Engine::write_state(storage::StateWriter& state) {
    for (auto& [partition, progress] : progress_) {
        if (!std::exchange(progress.is_dirty, false)) {
            continue;
        }
        auto ranges = nlohmann::json::array();
        for (const auto& [first, end] : progress.settled.ranges()) {
            ranges.push_back({first.value, end.value - first.value});
        }
        auto retries = nlohmann::json::array();
        for (const auto& [offset, retry] : progress.retries) {
            retries.push_back(
                {offset.value, retry.attempts, retry.not_before_us, retry.first_failure_us});
        }
        std::string row;
        nlohmann::json::to_cbor({{"epoch", progress.epoch},
                                 {"origin", progress.origin.value},
                                 {"floor", progress.settled.floor().value},
                                 {"ranges", ranges},
                                 {"retries", retries}},
                                row);
        state.put(row_prefix(info_->id) + std::to_string(partition.value), row);
    }
}

bool Engine::adopt_epoch(Progress& progress, const ProgressKey& key) {
    if (progress.is_known && key.epoch < progress.epoch) {
        return false;  // settled before a seek
    }
    if (!progress.is_known || key.epoch > progress.epoch) {
        progress.epoch = key.epoch;
        progress.origin = key.origin;
        progress.settled = IntervalSet(key.origin);
        progress.retries.clear();
        progress.read_at = key.origin;
        progress.is_known = true;
    }
    progress.is_dirty = true;
    return true;
}

void Engine::apply(const SettleCommand& command) {
    auto& progress = progress_of(command.key.partition);
    if (!adopt_epoch(progress, command.key)) {
        return;
    }
    for (const auto& [first, count] : command.runs) {
        progress.settled.add(first, count);
        progress.retries.erase(progress.retries.lower_bound(first),
                               progress.retries.lower_bound(first + count));
    }
}

void Engine::apply(const RetryCommand& command) {
    auto& progress = progress_of(command.key.partition);
    if (adopt_epoch(progress, command.key) && !progress.settled.contains(command.offset)) {
        progress.retries[command.offset] = {.attempts = command.attempts,
                                            .not_before_us = command.not_before_us,
                                            .first_failure_us = command.first_failure_us};
    }
}

void Engine::apply(const LetterOpenCommand& command, std::uint64_t /*id*/) {
    auto& progress = progress_of(command.key.partition);
    if (adopt_epoch(progress, command.key)) {
        progress.settled.add(command.letter.offset, 1);
        progress.retries.erase(command.letter.offset);
    }
    ++letters_open_;
}

void Engine::apply(const LetterChangeCommand& command, const Letter& letter) {
    if (!has_started_) {
        return;  // `start` looks at every letter
    }
    const auto is_over =
        command.state == LetterState::resolved || command.state == LetterState::discarded;
    if (is_over) {
        letters_open_ -= std::min<std::uint64_t>(letters_open_, 1);
        letter_failures_.erase(letter.id);
        if (!is_superseded(letter.partition, letter.offset, letter.epoch)) {
            release_key(item_of(letter));
        }
    } else if (command.state == LetterState::redriven) {
        redriven_.push_back(letter.id);
    } else {
        letter_failures_.erase(letter.id);
    }
    pump();
}

void Engine::start() {
    has_started_ = true;
    see_catalog(info_);
    take_letters();
    for (const auto& [partition, progress] : progress_) {
        for (const auto& [offset, retry] : progress.retries) {
            arm_retry(partition, offset, retry.not_before_us);
        }
    }
    pump();
}

void Engine::take_letters() {
    ++letter_round_;
    letters_open_ = 0;
    redriven_.clear();
    letter_failures_.clear();
    drop_in_flight([](const Item& item) { return item.letter.has_value(); });
    std::vector<std::uint64_t> redelivered;
    const auto visited = letters_.visit_active(info_->id, [&](const LetterBrief& letter) {
        ++letters_open_;
        if (is_superseded(letter.partition, letter.offset, letter.epoch)) {
            redelivered.push_back(letter.id);
            return true;
        }
        if (info_->order == Order::key && !letter.key.empty()) {
            keys_.try_emplace(key_of(letter.partition, letter.key));
        }
        if (letter.state == LetterState::redriven) {
            redriven_.push_back(letter.id);
        }
        return true;
    });
    if (!visited) {
        log_error("delivery", info_->name + ": " + visited.error().text);
    }
    for (const auto id : redelivered) {
        supersede(id);
    }
}

bool Engine::is_superseded(PartitionId partition, Offset offset, std::uint32_t epoch) const {
    const auto found = progress_.find(partition);
    return found != progress_.end() && epoch < found->second.epoch &&
           offset >= found->second.origin;
}

void Engine::supersede(std::uint64_t letter) {
    const LetterChangeCommand command{.subscription = info_->id,
                                      .id = letter,
                                      .state = LetterState::discarded,
                                      .error = {},
                                      .response = {},
                                      .action = {.time_us = shard_.runtime().clock().unix_now(),
                                                 .action = "superseded",
                                                 .by = "broker",
                                                 .text = "a seek delivers the record anew"},
                                      .edited = {}};
    shard_.propose(format_command(command), [](const Result<void>&) {});
}

void Engine::see_catalog(std::shared_ptr<const SubscriptionInfo> info) {
    info_ = std::move(info);
    bool has_sought = false;
    for (const auto partition : partitions()) {
        auto& progress = progress_of(partition);
        if (!progress.is_known) {
            find_origin(partition, progress);
        } else if (progress.epoch < info_->seek_epoch) {
            drop_flow(partition);
            find_origin(partition, progress);
            has_sought = true;
        }
    }
    if (has_sought && has_started_) {
        take_letters();
    }
    pump();
}

void Engine::drop_in_flight(const std::function<bool(const Item&)>& is_dropped) {
    std::erase_if(in_flight_, [&](const auto& entry) {
        const auto& flight = entry.second;
        if (!is_dropped(flight.item)) {
            return false;
        }
        give_back_credit(flight.session);
        return true;
    });
}

void Engine::drop_flow(PartitionId partition) {
    std::erase_if(ready_, [partition](const Item& item) { return item.partition == partition; });
    drop_in_flight([partition](const Item& item) { return item.partition == partition; });
    const auto prefix = key_of(partition, "");
    std::erase_if(keys_, [&](const auto& entry) {
        const bool is_of_partition = entry.first.starts_with(prefix);
        parked_records_ -= is_of_partition ? entry.second.parked.size() : 0;
        return is_of_partition;
    });
}

void Engine::erase_state() {
    for (const auto& [partition, progress] : progress_) {
        shard_.store().erase_state(row_prefix(info_->id) + std::to_string(partition.value));
    }
    letters_.erase_all(info_->id);
}

void Engine::end_sessions(const Error& reason) {
    for (const auto& [id, session] : std::exchange(sessions_, {})) {
        session.target->on_ended(shard_.id(), reason);
    }
    in_flight_.clear();
}

std::uint32_t Engine::parked_behind(PartitionId partition, const std::string& key) const {
    const auto found = keys_.find(key_of(partition, key));
    return found == keys_.end() ? 0 : static_cast<std::uint32_t>(found->second.parked.size());
}

std::int64_t Engine::lag_us(PartitionId partition, const Progress& progress, Offset next) const {
    const auto floor = progress.settled.floor();
    if (floor >= next) {
        return 0;
    }
    const auto oldest = shard_.store().append_time_at(partition, floor);
    return oldest && oldest.value() ? shard_.runtime().clock().unix_now() - *oldest.value() : 0;
}

SubscriptionProgress Engine::progress() const {
    SubscriptionProgress total;
    total.circuit = circuit_.state();
    total.reason = info_->paused                ? "paused: " + info_->pause_reason
                   : !circuit_.reason().empty() ? circuit_.reason()
                                                : blocked_reason_;
    total.consumers = static_cast<std::uint32_t>(sessions_.size());
    total.in_flight = in_flight_.size();
    total.parked_records = parked_records_;
    total.parked_keys = static_cast<std::uint64_t>(std::ranges::count_if(
        keys_, [](const auto& entry) { return !entry.second.parked.empty(); }));
    total.delivered = delivered_.value();
    total.acked = acked_.value();
    total.nacked = nacked_.value();
    total.letters_open = letters_open_;
    total.letters_by_cause = letters_.counts(info_->id, LetterState::open);
    for (const auto& [partition, progress] : progress_) {
        const auto limits = shard_.bounds(partition);
        if (!limits) {
            continue;
        }
        total.waiting_retry += progress.retries.size();
        total.lag_records += limits->next.value -
                             std::min(progress.settled.floor(), limits->next).value -
                             progress.settled.above_floor();
        total.lag_us = std::max(total.lag_us, lag_us(partition, progress, limits->next));
        total.partitions.push_back({.partition = partition,
                                    .floor = progress.settled.floor(),
                                    .next = limits->next,
                                    .settled_above_floor = progress.settled.above_floor()});
    }
    return total;
}

}  // namespace millrace::broker::delivery
