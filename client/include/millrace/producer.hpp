#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include "millrace/types.hpp"

namespace millrace {

struct ProducerOptions {
    std::chrono::microseconds linger{
        0};  ///< how long a batch may wait for company; 0: batches form while requests are out
    std::size_t batch_bytes_max = std::size_t{64} * 1024;
    std::size_t outstanding_bytes_max = std::size_t{32} * 1024 * 1024;  ///< `send` waits above this
    std::uint32_t requests_in_flight_max = 8;  ///< with at most 8 batches of a partition among them
    std::chrono::milliseconds delivery_timeout{120'000};  ///< then the record fails with timed_out
    Compression compression = Compression::none;
};

struct ProducerStatistics {
    std::uint64_t sent = 0;
    std::uint64_t acked = 0;
    std::uint64_t failed = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t requests = 0;
    std::uint64_t retries = 0;
};

/// Outcome of one record: `error` is null when it is durable; `place.durability` says where.
using DeliveryCallback = std::function<void(const RecordPlace& place, std::exception_ptr error)>;

/// Sends records to one topic; batches, pipelines, resends after a lost connection with the same
/// sequence, so that each record is applied once.
///
/// Promise:  per partition the log has the records in the order of the calls. Of a topic whose acks
/// stand for the leader's disk alone, records that were acked may be missing after that node has
/// died; those behind them are there, in order.
/// Threads:  any; callbacks run on the client's own thread and must not block.
class Producer {
  public:
    Producer(Producer&&) noexcept;
    Producer& operator=(Producer&&) noexcept;
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    /// Sends what is waiting, for at most the delivery timeout.
    ~Producer();

    /// Durable when the future is ready; it throws ClientError otherwise. Waits while too much is
    /// outstanding.
    std::future<RecordPlace> send(OutgoingRecord record);
    /// The cheap form for many records.
    void send(OutgoingRecord record, DeliveryCallback done);
    /// `co_await producer.async_send(record, boost::asio::use_awaitable)`; signature
    /// void(std::exception_ptr, RecordPlace).
    template <class CompletionToken>
    auto async_send(OutgoingRecord record, CompletionToken&& token) {
        return boost::asio::async_initiate<CompletionToken, void(std::exception_ptr, RecordPlace)>(
            [this](auto handler, OutgoingRecord moved) {
                send(std::move(moved), completion_of(std::move(handler)));
            },
            token,
            std::move(record));
    }
    /// Waits until everything sent so far is durable or has failed; throws the first failure since
    /// the last flush.
    void flush();
    [[nodiscard]] ProducerStatistics statistics() const;

  private:
    friend class Client;
    class Impl;
    /// Calls an Asio handler on the executor that belongs to it.
    template <class Handler>
    static DeliveryCallback completion_of(Handler handler) {
        auto shared = std::make_shared<Handler>(std::move(handler));
        auto executor = boost::asio::get_associated_executor(*shared);
        return [shared, executor](const RecordPlace& place, const std::exception_ptr& error) {
            boost::asio::post(executor,
                              [shared, place, error] { std::move (*shared)(error, place); });
        };
    }
    explicit Producer(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace
