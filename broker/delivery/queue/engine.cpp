#include "broker/delivery/queue/engine.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "storage/base/logging.hpp"

// What is durable, the definition and the partitions.

namespace millrace::broker::delivery {
namespace {

std::string circuit_key(std::uint32_t subscription) {
    return std::string(circuit_prefix) + std::to_string(subscription);
}

}  // namespace

Engine::Engine(const Surroundings& surroundings, std::shared_ptr<const SubscriptionInfo> info)
    : shard_(surroundings.shard),
      letters_(surroundings.letters),
      permits_(surroundings.permits),
      info_(std::move(info)),
      keys_(surroundings.parked_bytes_max),
      random_(shard_.options().random_seed + info_->id) {}

Engine::~Engine() {
    *is_alive_ = false;
    if (alarm_) {
        shard_.runtime().cancel(alarm_->second);
    }
}

std::string Engine::row_prefix(PartitionId partition) const {
    return "q/" + std::to_string(info_->id) + "/" + std::to_string(partition.value);
}

void Engine::restore_progress(PartitionId partition,
                              std::string_view suffix,
                              std::string_view row) {
    if (const auto restored = flow_of(partition).progress.restore(suffix, row); !restored) {
        log_error("delivery",
                  "subscription " + std::to_string(info_->id) + ", partition " +
                      std::to_string(partition.value) + ": " + restored.error().text +
                      "; what it said was settled is delivered anew");
    }
}

void Engine::restore_circuit(std::string_view row) {
    if (const auto restored = circuit_log_.restore(row); !restored) {
        log_error("delivery",
                  "subscription " + std::to_string(info_->id) + ": " + restored.error().text);
    }
}

void Engine::write_state(storage::StateWriter& state) {
    if (const auto row = circuit_log_.take_row(); !row.empty()) {
        state.put(circuit_key(info_->id), row);
    }
    for (auto& [partition, flow] : flows_) {
        flow.progress.write(row_prefix(partition), state);
    }
}

bool Engine::adopt_epoch(Flow& flow, const ProgressKey& key) {
    auto& progress = flow.progress;
    if (progress.is_known() && key.epoch < progress.epoch()) {
        return false;  // settled before a seek
    }
    if (!progress.is_known() || key.epoch > progress.epoch()) {
        progress.begin(key.epoch, key.origin);
        flow.read_at = key.origin;
    }
    return true;
}

bool Engine::is_current(PartitionId partition, std::uint32_t epoch) const {
    return known_epoch(partition) == epoch;
}

bool Engine::is_lost(PartitionId partition) const {
    return has_started_ && shard_.catalog().view()->find(partition) == nullptr;
}

void Engine::apply(const SettleCommand& command) {
    if (is_lost(command.key.partition)) {
        return;
    }
    auto& flow = flow_of(command.key.partition);
    if (!adopt_epoch(flow, command.key)) {
        return;
    }
    for (const auto& [first, count] : command.runs) {
        flow.progress.settle(first, count);
    }
}

void Engine::apply(const RetryCommand& command) {
    if (is_lost(command.key.partition)) {
        return;
    }
    auto& flow = flow_of(command.key.partition);
    if (!adopt_epoch(flow, command.key)) {
        return;
    }
    Retry retry{.attempts = command.attempts,
                .not_before_us = command.not_before_us,
                .first_failure_us = command.first_failure_us};
    if (const auto* const before = flow.progress.find_retry(command.offset)) {
        retry.reasons = before->reasons;
    }
    if (command.failed) {
        note_failure(retry.reasons, *command.failed);
    }
    flow.progress.keep_retry(command.offset, std::move(retry));
}

void Engine::apply(const LetterOpenCommand& command, std::uint64_t id) {
    const auto partition = command.key.partition;
    const auto& letter = command.letter;
    ++letters_open_;
    const bool has_epoch = !is_lost(partition) && adopt_epoch(flow_of(partition), command.key);
    if (has_epoch) {
        flow_of(partition).progress.settle(letter.offset, 1);
    }
    if (!has_started_) {
        return;  // `start` looks at every letter
    }
    // A seek may have come between: then the letter is of the time before, and others may have its
    // key.
    if (is_superseded(partition, letter.offset, letter.epoch)) {
        supersede(id);
    } else if (is_ordered(letter.key) && has_epoch) {
        keys_.turn_into_letter(partition, letter.key, id);
    } else if (is_ordered(letter.key)) {
        keys_.hold_for_letter(partition, letter.key, id);
    }
}

void Engine::apply(const LetterChangeCommand& command, const Letter& letter) {
    if (!has_started_) {
        return;  // `start` looks at every letter
    }
    const auto is_over =
        command.state == LetterState::resolved || command.state == LetterState::discarded;
    if (is_over) {
        letters_open_ -= std::min<std::uint64_t>(letters_open_, 1);
        go_on(letter.partition,
              letter.key,
              keys_.release_letter(letter.partition, letter.key, letter.id));
    } else if (command.state == LetterState::redriven) {
        redriven_.push_back(letter.id);
    }
    pump_soon();
}

void Engine::start(std::shared_ptr<const SubscriptionInfo> info) {
    info_ = std::move(info);
    take_definition();
    for (auto& [partition, flow] : flows_) {
        flow.read_at = flow.progress.settled().floor();
        for (const auto& [offset, retry] : flow.progress.retries()) {
            wait(partition, offset, {.due_us = retry.not_before_us, .is_retry = true, .key = {}});
        }
    }
    resume_circuit();
    see_catalog(info_);
    take_letters([](PartitionId) { return true; });
    has_started_ = true;
    pump();
}

void Engine::see_catalog(std::shared_ptr<const SubscriptionInfo> info) {
    flush_settlings();
    info_ = std::move(info);
    take_definition();
    drop_lost();
    std::set<PartitionId> sought;
    for (const auto partition : partitions()) {
        auto& flow = flow_of(partition);
        if (!flow.progress.is_known()) {
            find_origin(partition, flow);
        } else if (flow.progress.epoch() < info_->seek_epoch && !is_replayed(partition)) {
            start_anew(partition, flow);
            sought.insert(partition);
        }
        want_read(partition, flow);
    }
    if (!sought.empty() && has_started_) {
        take_letters([&sought](PartitionId partition) { return sought.contains(partition); });
    }
    pump();
}

void Engine::start_anew(PartitionId partition, Flow& flow) {
    drop_flow(partition, flow);
    drop_flights([partition](const Item& item) { return item.partition == partition; });
    find_origin(partition, flow);
}

void Engine::take_definition() {
    if (!metrics_ && !info_->name.empty()) {
        metrics_.emplace(shard_.metrics(), info_->name, shard_.id());
    }
    const bool was_bounded = limits_.is_bounded();
    limits_ = {.concurrency = info_->concurrency,
               .rate_per_s = info_->rate_per_s,
               .rate_burst = info_->rate_burst};
    if (!was_bounded && limits_.is_bounded()) {
        permits_adopted_ += flights_.take_permits();
    }
    circuit_.limit_probe_interval(std::chrono::milliseconds(info_->probe_interval_max_ms));
    if (info_->filter == filter_text_) {
        note_drained();
        return;
    }
    filter_text_ = info_->filter;
    filter_.reset();
    filter_error_.clear();
    filter_fault_.clear();
    if (!filter_text_.empty()) {
        auto made = SubscriptionFilter::make(filter_text_);
        if (made) {
            filter_ = std::move(made).value();
        } else {
            filter_error_ = made.error().text;
            log_error("delivery", info_->name + ": " + filter_error_);
        }
    }
    note_drained();
}

void Engine::drop_flights(const std::function<bool(const Item&)>& is_dropped) {
    const auto dropped = flights_.take_if(
        [&is_dropped](const Flights::Flight& flight) { return is_dropped(flight.item); });
    for (const auto& flight : dropped) {
        note_landed(flight);
        give_back_credit(flight.session);
    }
}

void Engine::drop_flow(PartitionId partition, Flow& flow) {
    ready_count_ -= flow.ready.size();
    flow.ready.clear();
    for (const auto& [offset, wait] : std::exchange(flow.waits, {})) {
        forget_wait(wait);
    }
    flow.heads.clear();
    flow.floor_time.reset();
    wheel_.erase_if(
        [partition](const WaitRef& ref) { return !ref.is_letter && ref.partition == partition; });
    keys_.drop(partition);
}

void Engine::drop_lost() {
    const auto view = shard_.catalog().view();
    for (auto at = flows_.begin(); at != flows_.end();) {
        const auto partition = at->first;
        if (view->find(partition) != nullptr) {
            ++at;
            continue;
        }
        drop_flow(partition, at->second);
        drop_flights(
            [partition](const Item& item) { return item.partition == partition && !item.letter; });
        std::erase(to_read_, partition);
        std::erase(active_, partition);
        erase_rows(partition);
        at = flows_.erase(at);
    }
}

void Engine::erase_rows(PartitionId partition) {
    if (const auto erased = DurableProgress::erase(row_prefix(partition), shard_.store());
        !erased) {
        log_error("delivery", info_->name + ": " + erased.error().text);
    }
}

void Engine::erase_state() {
    for (const auto& [partition, flow] : flows_) {
        erase_rows(partition);
    }
    shard_.store().erase_state(circuit_key(info_->id));
    letters_.erase_all(info_->id);
    if (metrics_) {
        metrics_->clear();
    }
}

std::vector<PartitionId> Engine::partitions() const {
    const auto view = shard_.catalog().view();
    auto topics = view->matching(info_->topics);
    if (const auto own = view->topics.find(replay_topic_of(info_->name));
        own != view->topics.end()) {
        topics.push_back(own->second);
    }
    std::vector<PartitionId> mine;
    const auto take = [&](const PartitionInfo& one) {
        if (one.shard == shard_.id()) {
            mine.push_back(one.id);
        }
    };
    for (const auto& topic : topics) {
        std::ranges::for_each(topic->partitions, take);
    }
    return mine;
}

bool Engine::is_replayed(PartitionId partition) const {
    const auto view = shard_.catalog().view();
    const auto* const ref = view->find(partition);
    return ref != nullptr && is_internal_topic(ref->topic->name);
}

void Engine::find_origin(PartitionId partition, Flow& flow) {
    const auto limits = shard_.store().bounds(partition);
    auto origin = limits.first;
    if (info_->start != StartAt::earliest && !is_replayed(partition)) {
        const bool is_first_start = info_->start == StartAt::latest && info_->seek_epoch == 0;
        const auto time = is_first_start ? info_->created_us : info_->start_time_us;
        const auto found = shard_.store().offset_at(partition, time);
        origin = found ? found.value() : limits.next;
    }
    flow.progress.begin(info_->seek_epoch, origin);
    flow.read_at = origin;
}

}  // namespace millrace::broker::delivery
