#include "millrace/producer.hpp"

#include <algorithm>
#include <utility>

#include "client/src/producer_impl.hpp"
#include "client/wire/partitioner.hpp"

namespace millrace {
namespace {

constexpr std::size_t request_bytes_max = 1024 * 1024;
constexpr std::size_t worth_sending_bytes =
    32 * 1024;  ///< less waits for the answer of what is out
constexpr std::chrono::milliseconds retry_delay{20};
constexpr std::uint32_t sequence_mask = 0x7fffffff;

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
      producer_id_(producer_id),
      options_(options),
      retry_timer_(core_->context()),
      linger_timer_(core_->context()),
      partitions_(topic.partitions.size()) {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        partitions_[i].id = topic.partitions[i].partition_id;
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
    if (partition.payload_bytes > 0 && partition.payload_bytes + bytes > options_.batch_bytes_max) {
        seal(index);
    }
    partition.builder.add(view);
    partition.callbacks.push_back(std::move(done));
    partition.payload_bytes += bytes;
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
    core_->post([self = shared_from_this()] {
        if (self->options_.linger.count() == 0) {
            self->drain();
            return;
        }
        self->linger_timer_.expires_after(self->options_.linger);
        self->linger_timer_.async_wait([self](const auto& error) {
            if (!error) {
                self->drain();
            }
        });
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
    partition.next_sequence = static_cast<std::int32_t>(
        (static_cast<std::uint32_t>(partition.next_sequence) + count) & sequence_mask);
    batch->callbacks = std::exchange(partition.callbacks, {});
    batch->partition = index;
    batch->payload_bytes = std::exchange(partition.payload_bytes, 0);
    batch->deadline = Clock::now() + options_.delivery_timeout;
    partition.unacked.push_back(std::move(batch));
}

Producer::Impl::Batches Producer::Impl::take_batches() {
    Batches taken;
    std::size_t bytes = 0;
    std::vector<std::size_t> left;
    for (const auto index : std::exchange(dirty_, {})) {
        auto& partition = partitions_[index];
        partition.is_listed = false;
        if (bytes < request_bytes_max) {
            seal(index);
        }
        for (const auto& batch : partition.unacked) {
            if (batch->is_in_flight) {
                continue;
            }
            if (bytes >= request_bytes_max) {
                partition.is_listed = true;
                break;
            }
            batch->is_in_flight = true;
            bytes += batch->bytes.size();
            gathered_bytes_ -= std::min(batch->payload_bytes, gathered_bytes_);
            taken.push_back(batch);
        }
        if (partition.is_listed || partition.builder.record_count() > 0) {
            partition.is_listed = true;
            left.push_back(index);
        }
    }
    dirty_.insert(dirty_.end(), left.begin(), left.end());
    return taken;
}

void Producer::Impl::drain() {
    while (true) {
        Batches batches;
        {
            const std::lock_guard lock(mutex_);
            is_woken_ = false;
            const bool is_full = requests_in_flight_ >= options_.requests_in_flight_max;
            const bool is_too_little =
                requests_in_flight_ > 0 && gathered_bytes_ < worth_sending_bytes;
            if (dirty_.empty() || is_full || is_too_little) {
                return;
            }
            batches = take_batches();
            if (batches.empty()) {
                return;
            }
            ++requests_in_flight_;
            ++statistics_.requests;
        }
        request(std::move(batches));
    }
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

void Producer::Impl::answered(const Batches& batches,
                              const Result<const wire::FrameView*>& answer) {
    std::vector<Ending> endings;
    bool must_refresh = false;
    bool must_wait = false;
    {
        const std::lock_guard lock(mutex_);
        --requests_in_flight_;
        Result<wire::PublishAnswerT> parsed = fail(Errc::connection_lost, "");
        if (answer) {
            parsed = wire::parse_message<wire::PublishAnswer>(answer.value()->table);
        }
        if (!answer || !parsed || parsed.value().error ||
            parsed.value().acks.size() != batches.size()) {
            retry_all(batches, endings);
            must_wait = true;
        } else {
            const auto retries = statistics_.retries;
            judge(batches, parsed.value(), endings, must_refresh);
            must_wait = statistics_.retries != retries;
        }
    }
    end(std::move(endings));
    if (must_refresh) {
        refresh();
    } else if (must_wait) {
        retry_later();
    } else {
        drain();
    }
}

void Producer::Impl::retry_all(const Batches& batches, std::vector<Ending>& endings) {
    for (const auto& batch : batches) {
        auto& partition = partitions_[batch->partition];
        batch->is_in_flight = false;
        gathered_bytes_ += batch->payload_bytes;
        ++statistics_.retries;
        if (Clock::now() > batch->deadline) {
            fail_partition(partition,
                           fail(Errc::timed_out, "not acknowledged within the delivery timeout"),
                           endings);
        } else if (!std::exchange(partition.is_listed, true)) {
            dirty_.push_back(batch->partition);
        }
    }
}

bool Producer::Impl::should_retry(const Batch& batch, Errc code) const {
    const auto& partition = partitions_[batch.partition];
    const bool has_elder = !partition.unacked.empty() && partition.unacked.front().get() != &batch;
    const bool is_waiting_for_elder = code == Errc::sequence_out_of_order && has_elder;
    return is_retryable(code) || is_waiting_for_elder || code == Errc::unknown_partition;
}

void Producer::Impl::judge(const Batches& batches,
                           const wire::PublishAnswerT& answer,
                           std::vector<Ending>& endings,
                           bool& must_refresh) {
    for (std::size_t i = 0; i < batches.size(); ++i) {
        const auto& batch = batches[i];
        const auto& ack = answer.acks[i];
        const auto code = static_cast<Errc>(ack.code());
        auto& partition = partitions_[batch->partition];
        const auto place = std::ranges::find(partition.unacked, batch);
        if (place == partition.unacked.end()) {
            continue;  // failed with its partition meanwhile
        }
        if (code == Errc::ok) {
            partition.unacked.erase(place);
            endings.push_back({.batch = batch,
                               .first = {.partition = static_cast<std::uint32_t>(batch->partition),
                                         .offset = ack.base_offset(),
                                         .append_time_us = ack.append_time_us(),
                                         .duplicate = ack.duplicate()},
                               .error = nullptr});
        } else if (should_retry(*batch, code)) {
            must_refresh |= code == Errc::unknown_partition;
            retry_all({batch}, endings);
        } else {
            fail_partition(partition, fail(code, answer.text), endings);
        }
    }
}

/// What follows a failed batch can't keep its place either: all of the partition fails and it
/// starts over with a new epoch.
void Producer::Impl::fail_partition(Partition& partition,
                                    const Error& error,
                                    std::vector<Ending>& endings) {
    for (const auto& batch : std::exchange(partition.unacked, {})) {
        gathered_bytes_ -=
            batch->is_in_flight ? 0 : std::min(batch->payload_bytes, gathered_bytes_);
        endings.push_back({.batch = batch, .first = {}, .error = client::to_exception(error)});
    }
    ++partition.epoch;
    partition.next_sequence = 0;
}

void Producer::Impl::end(std::vector<Ending> endings) {
    for (const auto& ending : endings) {
        auto place = ending.first;
        for (const auto& done : ending.batch->callbacks) {
            done(place, ending.error);
            ++place.offset;
        }
    }
    const std::lock_guard lock(mutex_);
    for (const auto& ending : endings) {
        const auto count = ending.batch->callbacks.size();
        outstanding_ -= count;
        outstanding_bytes_ -= ending.batch->payload_bytes;
        statistics_.acked += ending.error ? 0 : count;
        statistics_.failed += ending.error ? count : 0;
        statistics_.duplicates += ending.first.duplicate ? count : 0;
        first_failure_ = first_failure_ ? first_failure_ : ending.error;
    }
    if (!endings.empty()) {
        settled_.notify_all();
    }
}

void Producer::Impl::retry_later() {
    retry_timer_.expires_after(retry_delay);
    retry_timer_.async_wait([self = shared_from_this()](const auto& error) {
        if (!error) {
            self->drain();
        }
    });
}

void Producer::Impl::refresh() {
    wire::MetadataRequestT request;
    request.topics.push_back(topic_);
    core_->send(wire::Api::metadata,
                std::move(request),
                [self = shared_from_this()](const Result<const wire::FrameView*>& answer) {
                    auto parsed =
                        answer ? wire::parse_message<wire::MetadataAnswer>(answer.value()->table)
                               : Result<wire::MetadataAnswerT>(answer.error());
                    std::vector<Ending> endings;
                    if (parsed) {
                        const std::lock_guard lock(self->mutex_);
                        const auto& topics = parsed.value().topics;
                        const bool exists = topics.size() == 1;
                        for (std::size_t i = 0; i < self->partitions_.size(); ++i) {
                            auto& partition = self->partitions_[i];
                            if (!exists || i >= topics.front()->partitions.size()) {
                                self->fail_partition(
                                    partition,
                                    fail(Errc::unknown_topic,
                                         "topic \"" + self->topic_ + "\" does not exist any more"),
                                    endings);
                            } else {
                                partition.id = topics.front()->partitions[i]->partition_id;
                            }
                        }
                    }
                    self->end(std::move(endings));
                    self->retry_later();
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
