#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "client/wire/frame.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace::client::testing {

/// A batch as a producer has sent it.
struct SentBatch {
    std::uint32_t partition_id = 0;
    std::int64_t producer_id = -1;
    std::int32_t base_sequence = -1;
    std::uint32_t record_count = 0;
    std::int16_t epoch = 0;
};

/// A broker of one connection that greets, has one topic, and answers a publish when it is told to.
///
/// Threads:  the one that calls; the client under test runs on its own.
class ScriptedBroker {
  public:
    ScriptedBroker();
    [[nodiscard]] std::string address() const;
    /// What hello and the answers to a publish grant.
    struct Grants {
        std::uint32_t publishes_outstanding_max = 1024;
        std::uint32_t credit = 0;                                  ///< 0: nothing is said
        std::uint32_t record_bytes_max = 0;                        ///< of the topic
        wire::Durability durability = wire::Durability::majority;  ///< of what is acked
    };
    void grant(const Grants& grants) { grants_ = grants; }
    /// The next answer says that these records of its batches were there before.
    void repeat_next(std::vector<wire::PublishRepeat> repeats) { repeats_ = std::move(repeats); }
    /// Takes the connection and answers hello and metadata until the first publish has come.
    void serve_until_publish();
    /// Waits for the next publish.
    void receive_publish();
    /// Waits for the next request for metadata, and answers it.
    void receive_metadata();
    /// Acks the oldest request that is not answered.
    void answer_oldest() { answer(0, Errc::ok); }
    /// Answers one of those that are not, counted from the oldest.
    void answer(std::size_t number, Errc code);
    [[nodiscard]] std::size_t unanswered_batches() const;
    [[nodiscard]] std::size_t unanswered_requests() const { return unanswered_.size(); }
    [[nodiscard]] std::size_t answered_batches() const { return answered_; }
    [[nodiscard]] bool has_unanswered() const { return !unanswered_.empty(); }
    /// Everything that came, in order.
    [[nodiscard]] const std::vector<SentBatch>& batches() const { return batches_; }

  private:
    struct Publish {
        std::uint32_t correlation = 0;
        std::vector<SentBatch> batches;
    };
    /// Reads until a frame was handled.
    void receive();
    void handle(const wire::FrameView& frame);
    void take_publish(const wire::FrameView& frame);
    void send(const std::vector<std::byte>& frame);

    boost::asio::io_context context_;
    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::ip::tcp::socket socket_;
    wire::FrameReader reader_;
    Grants grants_;
    std::vector<wire::PublishRepeat> repeats_;
    std::deque<Publish> unanswered_;
    std::vector<SentBatch> batches_;
    std::uint64_t next_offset_ = 0;
    std::size_t answered_ = 0;
    std::size_t frames_ = 0;
    std::size_t metadata_ = 0;
};

}  // namespace millrace::client::testing
