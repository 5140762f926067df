#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "client/src/core.hpp"
#include "client/src/decode.hpp"
#include "client/wire/schema/subscriptions_generated.h"
#include "millrace/subscription.hpp"

namespace millrace {

/// Receives on the io thread, hands out and gathers settlements on the caller's. Opens again after
/// a lost connection. Settlements go out while the caller works on: the first at once, what gathers
/// meanwhile with its answer.
class Subscription::Impl : public std::enable_shared_from_this<Subscription::Impl> {
  public:
    Impl(std::shared_ptr<client::Core> core, std::string name, SubscribeOptions options);
    void start();
    void close();

    struct Arrived {
        Record record;
        std::uint32_t attempt = 1;
        std::uint32_t shard = 0;
        std::uint64_t session = 0;
        std::uint64_t delivery = 0;
        std::uint32_t partition_id = 0;
    };
    [[nodiscard]] std::vector<Arrived> take(std::chrono::milliseconds wait_max);
    void ack(const Arrived& delivery);
    void nack(const Arrived& delivery, NackOptions options);
    void extend(const Arrived& delivery, std::chrono::milliseconds by);
    std::size_t flush();

  private:
    using Target = std::pair<std::uint64_t, std::uint32_t>;  ///< session, shard
    struct Gathered {
        wire::SettleRequestT message;
        std::size_t count = 0;
    };
    void open();
    void send_open();
    void opened(const Result<const wire::FrameView*>& answer);
    void begin_session(std::uint64_t session);
    void close_session(std::uint64_t session);
    void connected();
    void on_push(const wire::FrameView& frame);

    void learn_names();
    void take_names(const Result<const wire::FrameView*>& answer);
    void learn_names_later();

    [[nodiscard]] wire::SettleRequestT& message_for(const Arrived& delivery);
    /// Under the lock.
    void send_soon();
    /// Sends what was gathered.
    void send_settlements();
    void end_settlement(const Result<const wire::FrameView*>& answer,
                        std::uint64_t session,
                        std::size_t count);

    std::shared_ptr<client::Core> core_;
    std::string name_;
    SubscribeOptions options_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<const client::PartitionNames> names_;  ///< replaced when there are more
    std::deque<Arrived> arrived_;
    std::deque<Arrived> unnamed_;  ///< of partitions that names_ does not have yet
    std::map<Target, Gathered> gathered_;
    std::size_t unanswered_ = 0;
    std::size_t stale_ = 0;
    std::optional<Error> failure_;
    std::uint64_t session_ = 0;
    bool is_opening_ = false;
    bool is_sending_soon_ = false;
    bool is_learning_ = false;
    bool is_closed_ = false;
};

}  // namespace millrace
