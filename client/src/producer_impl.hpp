#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "client/src/core.hpp"
#include "client/wire/record_batch.hpp"
#include "client/wire/schema/records_generated.h"
#include "millrace/producer.hpp"

namespace millrace {

/// Gathers records per partition on the callers' threads; sends, resends and answers on the io
/// thread.
///
/// A partition's batches are kept in order of their sequences until they are acked. What has to be
/// sent again becomes `waiting` again and goes out before anything younger; a younger batch that
/// reached the broker without its elder comes back as out of order and waits, too.
///
/// A batch that fails takes nothing with it. Its elders keep their sequences. Those behind it stand
/// behind a gap: once their elders are acked and the broker has refused each that it may have seen,
/// they are numbered anew in the next epoch.
///
/// What was acked with the durability of the leader may be gone when another leads. The oldest
/// batch that is not acked stands behind a gap then, and goes on in the next epoch with the others.
class Producer::Impl : public std::enable_shared_from_this<Producer::Impl> {
  public:
    Impl(std::shared_ptr<client::Core> core,
         const TopicDescription& topic,
         std::int64_t producer_id,
         ProducerOptions options);

    /// Once, before the first record.
    void start();
    void send(OutgoingRecord record, DeliveryCallback done);
    void flush();
    void close();
    [[nodiscard]] ProducerStatistics statistics() const;

  private:
    using Clock = std::chrono::steady_clock;
    struct Batch {
        std::vector<std::byte> bytes;
        std::vector<DeliveryCallback> callbacks;
        std::size_t partition = 0;
        std::uint64_t number = 0;  ///< counts the batches of its partition
        std::size_t payload_bytes = 0;
        Clock::time_point deadline;
        bool is_in_flight = false;
        bool had_elder = false;      ///< without an ack when it was sent last
        bool is_behind_gap = false;  ///< an elder failed
        bool may_be_there = false;   ///< sent, and not known to be refused
    };
    struct Partition {
        std::uint32_t id = 0;
        wire::RecordBatchBuilder builder;
        std::vector<DeliveryCallback> callbacks;  ///< of the records in the builder
        Clock::time_point gathered_since;         ///< of the first of them
        std::size_t payload_bytes = 0;
        std::uint64_t next_number = 0;  ///< of a batch
        std::int32_t next_sequence = 0;
        std::int16_t epoch = 0;
        std::deque<std::shared_ptr<Batch>> unacked;
        bool is_listed = false;     ///< in `dirty_`
        bool is_confirmed = false;  ///< the broker has a batch of this epoch
        bool is_at_risk = false;    ///< what was acked last is on the leader's disk alone
        bool has_gap = false;       ///< waits for the next epoch
    };
    using Batches = std::vector<std::shared_ptr<Batch>>;
    struct Ending {
        std::shared_ptr<Batch> batch;
        RecordPlace first;
        std::vector<wire::PublishRepeat> repeats;  ///< records that lie elsewhere
        std::exception_ptr error;
    };

    /// Another node may lead now.
    void connected();
    [[nodiscard]] std::size_t choose_partition(const OutgoingRecord& record);
    void seal(std::size_t index);
    void wake();
    void drain();
    /// False when the connection has no publish left; drain is called again then. Under the lock.
    [[nodiscard]] bool begin_publish();
    /// Whether batches were left, because the request is full or the broker would not remember
    /// them.
    bool take_from(Partition& partition, std::size_t& bytes, Batches& taken);
    [[nodiscard]] std::size_t in_flight_max(const Partition& partition) const;
    /// All in flight are among the oldest, see `end_of_window`.
    [[nodiscard]] static std::size_t in_flight_of(const Partition& partition);
    /// Whether a batch that is made now could go out at once; else more records may join it.
    [[nodiscard]] bool may_follow(const Partition& partition) const;
    /// The number of the first batch that may not go out yet. **Requires** a batch without an ack.
    [[nodiscard]] static std::uint64_t end_of_window(const Partition& partition);
    [[nodiscard]] Batches take_batches();
    /// What a request that may go out now takes along; nothing when none may.
    [[nodiscard]] Batches begin_request();
    void request(Batches batches);
    void answered(const Batches& batches, const Result<const wire::FrameView*>& answer);
    void judge(const Batches& batches,
               const wire::PublishAnswerT& answer,
               std::vector<Ending>& endings,
               bool& must_refresh);
    void retry_all(const Batches& batches, std::vector<Ending>& endings);
    [[nodiscard]] static bool should_retry(const Batch& batch, Errc code);
    using Place = std::deque<std::shared_ptr<Batch>>::iterator;
    void fail_batch(Partition& partition,
                    const Place& place,
                    const Error& error,
                    std::vector<Ending>& endings);
    /// Its oldest batch is refused because what was acked before it is gone.
    void leave_gap(Partition& partition);
    void fail_late(Partition& partition, std::vector<Ending>& endings);
    void fail_partition(Partition& partition, const Error& error, std::vector<Ending>& endings);
    /// The batch is in nobody's hands any more.
    void land(Batch& batch);
    void begin_epoch_if_due(Partition& partition);
    /// Calls each record's callback with its own place; how many were there before.
    static std::size_t tell(const Ending& ending);
    void end(const std::vector<Ending>& endings);
    /// Under the lock.
    void take_metadata(const wire::MetadataAnswerT& answer, std::vector<Ending>& endings);
    void refresh();
    void retry_later();

    std::shared_ptr<client::Core> core_;
    std::string topic_;
    std::size_t record_bytes_max_;  ///< as the topic had it; the broker judges
    std::int64_t producer_id_;
    ProducerOptions options_;
    boost::asio::steady_timer retry_timer_;
    boost::asio::steady_timer linger_timer_;

    mutable std::mutex mutex_;
    std::condition_variable settled_;
    std::vector<Partition> partitions_;
    std::vector<std::size_t> dirty_;
    std::size_t next_partition_ = 0;
    std::size_t outstanding_bytes_ = 0;
    std::size_t gathered_bytes_ = 0;  ///< not yet in a request
    std::uint64_t outstanding_ = 0;
    std::uint32_t requests_in_flight_ = 0;
    std::uint32_t credit_ = UINT32_MAX;  ///< requests in flight that the broker would have
    bool is_waiting_for_credit_ = false;
    bool is_woken_ = false;
    bool is_closed_ = false;
    std::exception_ptr first_failure_;
    std::string last_refusal_;  ///< why batches go out again
    ProducerStatistics statistics_;
};

}  // namespace millrace
