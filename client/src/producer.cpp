#include "millrace/producer.hpp"

#include <algorithm>
#include <utility>

#include "client/src/producer_impl.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/partitioner.hpp"

namespace millrace {
namespace {

constexpr std::size_t request_bytes_max = std::size_t{1024} * 1024;
constexpr std::size_t worth_sending_bytes =
    std::size_t{32} * 1024;  ///< less waits for the answer of what is out

std::int64_t unix_now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

Producer::Impl::Impl(std::shared_ptr<client::Core> core,
                     const TopicDescription& topic,
                     std::int64_t producer_id,
                     ProducerOptions options)
    : core_(std::move(core)),
      topic_(topic.name),
      record_bytes_max_(topic.record_bytes_max == 0 ? SIZE_MAX : topic.record_bytes_max),
      producer_id_(producer_id),
      options_(options),
      retry_timer_(core_->context()),
      linger_timer_(core_->context()),
      partitions_(topic.partitions.size()) {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        partitions_[i].id = topic.partitions[i].partition_id;
    }
}

void Producer::Impl::start() {
    core_->post([self = shared_from_this()] {
        self->core_->connection().on_connected(self->weak_from_this(),
                                               [raw = self.get()] { raw->connected(); });
    });
}

void Producer::Impl::connected() {
    const std::lock_guard lock(mutex_);
    for (auto& partition : partitions_) {
        partition.is_confirmed = partition.is_confirmed && !partition.is_at_risk;
    }
}

std::size_t Producer::Impl::choose_partition(const OutgoingRecord& record) {
    if (record.partition) {
        return *record.partition;
    }
    const auto count = static_cast<std::uint32_t>(partitions_.size());
    if (record.key) {
        return wire::partition_of_key(*record.key, count);
    }
    // A partition knows its own ids only: what comes again without a key must come there again.
    const auto id = std::ranges::find(record.headers, wire::event_id_header, &Header::key);
    if (id != record.headers.end()) {
        return wire::partition_of_key(id->value, count);
    }
    // Records without a key fill one batch before the next partition's turn comes.
    if (partitions_[next_partition_].payload_bytes >= options_.batch_bytes_max / 2) {
        next_partition_ = (next_partition_ + 1) % partitions_.size();
    }
    return next_partition_;
}

void Producer::Impl::send(OutgoingRecord record, DeliveryCallback done) {
    std::unique_lock lock(mutex_);
    settled_.wait(
        lock, [this] { return outstanding_bytes_ < options_.outstanding_bytes_max || is_closed_; });
    const auto index = choose_partition(record);
    if (is_closed_ || index >= partitions_.size()) {
        const auto error = is_closed_ ? fail(Errc::shutting_down, "the producer is closed")
                                      : fail(Errc::unknown_partition,
                                             topic_ + " has no partition " + std::to_string(index));
        lock.unlock();
        done({}, client::to_exception(error));
        return;
    }
    auto& partition = partitions_[index];
    wire::RecordView view{
        .key = record.key ? std::optional<std::string_view>(*record.key) : std::nullopt,
        .value = record.value,
        .headers = {},
        .event_time_us = record.event_time_us != 0 ? record.event_time_us : unix_now_us()};
    for (const auto& header : record.headers) {
        view.headers.push_back({.key = header.key, .value = header.value});
    }
    const auto bytes = wire::record_bytes(view);
    // What the broker is likely to refuse goes alone, so that nothing is refused with it.
    const bool goes_alone = bytes > record_bytes_max_;
    if (goes_alone || partition.payload_bytes + bytes > options_.batch_bytes_max) {
        seal(index);
    }
    if (partition.builder.record_count() == 0) {
        partition.gathered_since = Clock::now();
    }
    partition.builder.add(view);
    partition.callbacks.push_back(std::move(done));
    partition.payload_bytes += bytes;
    if (goes_alone) {
        seal(index);
    }
    outstanding_bytes_ += bytes;
    gathered_bytes_ += bytes;
    ++outstanding_;
    ++statistics_.sent;
    if (!std::exchange(partition.is_listed, true)) {
        dirty_.push_back(index);
    }
    wake();
}

void Producer::Impl::wake() {
    if (std::exchange(is_woken_, true)) {
        return;
    }
    const auto drain_now = [self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) {
            self->drain();
        }
    };
    core_->post([self = shared_from_this(), drain_now] {
        if (self->options_.linger.count() == 0) {
            self->drain();
            return;
        }
        self->linger_timer_.expires_after(self->options_.linger);
        self->linger_timer_.async_wait(drain_now);
    });
}

/// Makes a batch of what the builder holds. Under the lock.
void Producer::Impl::seal(std::size_t index) {
    auto& partition = partitions_[index];
    if (partition.builder.record_count() == 0) {
        return;
    }
    const auto count = partition.builder.record_count();
    auto batch = std::make_shared<Batch>();
    auto bytes = partition.builder.finish(
        {.id = producer_id_, .epoch = partition.epoch, .base_sequence = partition.next_sequence},
        static_cast<wire::Codec>(options_.compression));
    batch->bytes = std::move(bytes).value();
    partition.next_sequence = wire::advance_sequence(partition.next_sequence, count);
    batch->callbacks = std::exchange(partition.callbacks, {});
    batch->partition = index;
    batch->number = partition.next_number++;
    batch->payload_bytes = std::exchange(partition.payload_bytes, 0);
    batch->deadline = partition.gathered_since + options_.delivery_timeout;
    batch->is_behind_gap = partition.has_gap;
    partition.unacked.push_back(std::move(batch));
}

/// A broker that has no batch of this epoch takes any for the first.
std::size_t Producer::Impl::in_flight_max(const Partition& partition) const {
    const bool is_there =
        partition.is_confirmed && (!partition.is_at_risk || core_->connection().is_ready());
    return is_there ? wire::producer_batches_in_flight_max : 1;
}

/// The broker knows a batch that comes again among the latest it took. One that was answered while
/// an older one was not makes no room, or it would forget the older one.
std::uint64_t Producer::Impl::end_of_window(const Partition& partition) {
    return partition.unacked.front()->number + wire::producer_batches_in_flight_max;
}

std::size_t Producer::Impl::in_flight_of(const Partition& partition) {
    const auto first = partition.unacked.begin();
    const auto looked_at = std::min(partition.unacked.size(), wire::producer_batches_in_flight_max);
    return static_cast<std::size_t>(
        std::count_if(first, first + static_cast<std::ptrdiff_t>(looked_at), [](const auto& batch) {
            return batch->is_in_flight;
        }));
}

bool Producer::Impl::may_follow(const Partition& partition) const {
    if (partition.unacked.empty()) {
        return true;
    }
    const auto in_flight = in_flight_of(partition);
    return in_flight == partition.unacked.size() && in_flight < in_flight_max(partition) &&
           partition.next_number < end_of_window(partition);
}

bool Producer::Impl::take_from(Partition& partition, std::size_t& bytes, Batches& taken) {
    auto in_flight = in_flight_of(partition);
    bool has_waiting = false;
    for (const auto& batch : partition.unacked) {
        if (batch->is_in_flight) {
            continue;
        }
        if (batch->is_behind_gap && !batch->may_be_there) {
            has_waiting = true;
            continue;
        }
        if (bytes >= request_bytes_max || in_flight >= in_flight_max(partition) ||
            batch->number >= end_of_window(partition)) {
            return true;
        }
        batch->is_in_flight = true;
        batch->had_elder = batch != partition.unacked.front();
        batch->may_be_there = true;
        ++in_flight;
        bytes += batch->bytes.size();
        gathered_bytes_ -= std::min(batch->payload_bytes, gathered_bytes_);
        taken.push_back(batch);
    }
    return has_waiting;
}

Producer::Impl::Batches Producer::Impl::take_batches() {
    Batches taken;
    std::size_t bytes = 0;
    std::vector<std::size_t> left;
    for (const auto index : std::exchange(dirty_, {})) {
        auto& partition = partitions_[index];
        partition.is_listed = false;
        bool has_more = take_from(partition, bytes, taken);
        if (!has_more && bytes < request_bytes_max && may_follow(partition)) {
            seal(index);
            has_more = take_from(partition, bytes, taken);
        }
        if (has_more || partition.builder.record_count() > 0) {
            partition.is_listed = true;
            left.push_back(index);
        }
    }
    dirty_.insert(dirty_.end(), left.begin(), left.end());
    return taken;
}

bool Producer::Impl::begin_publish() {
    if (is_waiting_for_credit_) {
        return false;
    }
    is_waiting_for_credit_ = !core_->begin_publish([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) {
            return;
        }
        {
            const std::lock_guard lock(self->mutex_);
            self->is_waiting_for_credit_ = false;
        }
        self->drain();
    });
    return !is_waiting_for_credit_;
}

void Producer::Impl::drain() {
    while (true) {
        auto batches = begin_request();
        if (batches.empty()) {
            return;
        }
        request(std::move(batches));
    }
}

Producer::Impl::Batches Producer::Impl::begin_request() {
    const std::lock_guard lock(mutex_);
    is_woken_ = false;
    const bool is_full = requests_in_flight_ >= std::min(options_.requests_in_flight_max, credit_);
    const bool is_too_little = requests_in_flight_ > 0 && gathered_bytes_ < worth_sending_bytes;
    if (dirty_.empty() || is_full || is_too_little || !begin_publish()) {
        return {};
    }
    auto batches = take_batches();
    if (batches.empty()) {
        core_->end_publish();
        return {};
    }
    ++requests_in_flight_;
    ++statistics_.requests;
    return batches;
}

void Producer::Impl::request(Batches batches) {
    const auto shared = std::make_shared<Batches>(std::move(batches));
    core_->connection().request(
        [self = shared_from_this(), shared](std::uint32_t correlation) {
            wire::PublishRequestT message;
            std::vector<std::span<const std::byte>> raw;
            for (const auto& batch : *shared) {
                message.entries.emplace_back(self->partitions_[batch->partition].id,
                                             static_cast<std::uint32_t>(batch->bytes.size()));
                raw.emplace_back(batch->bytes);
            }
            return wire::format_message(
                {.api = static_cast<std::uint16_t>(wire::Api::publish), .correlation = correlation},
                message,
                raw);
        },
        core_->options().request_timeout,
        [self = shared_from_this(), shared](const Result<const wire::FrameView*>& answer) {
            self->answered(*shared, answer);
        });
}

void Producer::Impl::flush() {
    std::unique_lock lock(mutex_);
    settled_.wait(lock, [this] { return outstanding_ == 0; });
    if (const auto failure = std::exchange(first_failure_, nullptr)) {
        std::rethrow_exception(failure);
    }
}

void Producer::Impl::close() {
    std::unique_lock lock(mutex_);
    settled_.wait_for(lock, options_.delivery_timeout, [this] { return outstanding_ == 0; });
    is_closed_ = true;
    settled_.notify_all();
}

ProducerStatistics Producer::Impl::statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
}

Producer::Producer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::Producer(Producer&&) noexcept = default;

Producer& Producer::operator=(Producer&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}

Producer::~Producer() {
    if (impl_) {
        impl_->close();
    }
}

std::future<RecordPlace> Producer::send(OutgoingRecord record) {
    auto promise = std::make_shared<std::promise<RecordPlace>>();
    auto future = promise->get_future();
    impl_->send(std::move(record),
                [promise](const RecordPlace& place, const std::exception_ptr& error) {
                    if (error) {
                        promise->set_exception(error);
                    } else {
                        promise->set_value(place);
                    }
                });
    return future;
}

void Producer::send(OutgoingRecord record, DeliveryCallback done) {
    impl_->send(std::move(record), std::move(done));
}

void Producer::flush() {
    impl_->flush();
}

ProducerStatistics Producer::statistics() const {
    return impl_->statistics();
}

}  // namespace millrace
