#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "broker/protocol/services.hpp"
#include "broker/runtime/runtime.hpp"
#include "client/wire/frame.hpp"
#include "client/wire/message.hpp"
#include "client/wire/schema/common_generated.h"

namespace millrace::broker::protocol {

struct SessionLimits {
    std::size_t frame_bytes_max = wire::frame_bytes_max_default;
    std::uint32_t requests_outstanding_max =
        1024;  ///< unanswered requests of a connection; above: it is not read
    /// Bytes of a connection's unanswered publishes; above: it is not read. One publish may be
    /// larger.
    std::size_t publish_bytes_outstanding_max = std::size_t{4} * 1024 * 1024;
    std::size_t unsent_bytes_max =
        std::size_t{64} * 1024 *
        1024;  ///< answers that the peer does not take; above: it is not read
    Duration hello_timeout{
        10'000'000};  ///< from connect to hello, and for the rest of a frame that has begun
};

/// What the sessions of one shard count.
struct SessionMetrics {
    explicit SessionMetrics(MetricsRegistry& metrics, ShardId shard);
    Counter& requests;
    Counter& refused_frames;
    Counter& timed_out;
    Counter& records_out;
    std::uint32_t connections = 0;
};

/// One native connection: cuts frames, answers requests, keeps what belongs to the connection.
///
/// Promise:  every request that verifies is answered once, unless the connection is gone. An answer
/// that comes after its end is dropped. Threads:  the shard that accepted it. Handlers reach other
/// shards through `services`. Failure:  bytes that can't be trusted get an error frame and the
/// connection is closed.
class Session final : public ConnectionEvents, public std::enable_shared_from_this<Session> {
  public:
    struct Wiring {
        const ServiceTable& table;
        ShardId shard;
        const SessionLimits& limits;
        SessionMetrics& metrics;
        std::function<void(Session&)> on_gone;
    };
    Session(Wiring wiring, std::shared_ptr<Connection> connection);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    Session(Session&&) = delete;
    Session& operator=(Session&&) = delete;
    ~Session() override;

    void start();
    void on_bytes(std::span<const std::byte> bytes) override;
    void on_writable() override;
    void on_closed(const Error& reason) override;

    [[nodiscard]] const ServiceTable& table() const { return wiring_.table; }
    [[nodiscard]] ShardId shard_id() const { return wiring_.shard; }
    [[nodiscard]] const ShardServices& services() const {
        return wiring_.table.shards[wiring_.shard.value];
    }
    [[nodiscard]] const SessionLimits& limits() const { return wiring_.limits; }
    [[nodiscard]] SessionMetrics& metrics() { return wiring_.metrics; }
    [[nodiscard]] const std::string& peer() const { return connection_->peer(); }
    [[nodiscard]] const std::string& client_name() const { return client_name_; }
    void greet(std::string client_name) {
        client_name_ = std::move(client_name);
        is_greeted_ = true;
        is_guest_ = false;
    }
    /// One that this node, which follows, is good enough for: it may ask for the cluster.
    void greet_guest(std::string client_name) {
        greet(std::move(client_name));
        is_guest_ = true;
    }

    /// Answers a request with a table and record bytes.
    template <class Native>
    void answer(const wire::FrameHeader& request,
                const Native& message,
                std::span<const std::span<const std::byte>> raw = {}) {
        answer_frame(wire::format_message(answer_header(request), message, raw));
    }
    /// Answers with a table and record bytes that are sent from where they lie. **Requires** a
    /// multiple of 8 of them.
    template <class Native>
    void answer_shared(const wire::FrameHeader& request,
                       const Native& message,
                       std::vector<SharedBytes> raw) {
        std::size_t raw_bytes = 0;
        for (const auto& piece : raw) {
            raw_bytes += piece.size();
        }
        answer_frame(wire::format_message_head(answer_header(request), message, raw_bytes),
                     std::move(raw));
    }
    /// Answers with a frame built by the handler, or with its head and its record bytes.
    void answer_frame(std::vector<std::byte> frame, std::vector<SharedBytes> raw = {});
    void refuse(const wire::FrameHeader& request, const Error& error);
    /// Bytes of a publish that begins to wait, and of one that has its answer.
    void begin_publish(std::size_t bytes) { publish_bytes_outstanding_ += bytes; }
    void end_publish(std::size_t bytes) { publish_bytes_outstanding_ -= bytes; }
    /// Sends something nobody asked for.
    void push(std::vector<std::byte> frame);
    [[nodiscard]] static wire::FrameHeader answer_header(const wire::FrameHeader& request);

    /// Delivery sessions that end with this connection.
    std::set<std::uint64_t>& deliveries() { return deliveries_; }

  private:
    bool handle(const wire::FrameView& frame);
    [[nodiscard]] std::optional<Error> refusal_of(std::uint16_t api) const;
    void regulate();
    void watch_for_drip();
    void fail_stream(const Error& error);

    Wiring wiring_;
    std::shared_ptr<Connection> connection_;
    wire::FrameReader reader_;
    std::string client_name_;
    bool is_greeted_ = false;
    bool is_closed_ = false;
    bool is_paused_ = false;
    std::uint32_t outstanding_ = 0;
    std::size_t publish_bytes_outstanding_ = 0;
    TimerId watch_ = 0;
    bool made_progress_ = false;
    std::set<std::uint64_t> deliveries_;
    bool is_guest_ = false;
};

/// A request as handlers get it; valid during the call.
struct Request {
    std::shared_ptr<Session> session;
    wire::FrameHeader header;
    std::span<const std::byte> table;
    std::span<const std::byte> raw;

    template <class Native>
    void answer(const Native& message,
                std::span<const std::span<const std::byte>> raw_pieces = {}) const {
        session->answer(header, message, raw_pieces);
    }
    void refuse(const Error& error) const { session->refuse(header, error); }
};

/// The wire's form of an error.
[[nodiscard]] std::unique_ptr<wire::ErrorT> to_wire(const Error& error);

/// Finds the handler of an api; false when there is none.
[[nodiscard]] bool dispatch(const Request& request);

// One function per family; each parses, checks, and answers now or later.
void handle_hello(const Request& request);
void handle_metadata(const Request& request);
void handle_status(const Request& request);
/// `cluster_status` and `cluster_transfer`.
void handle_cluster(const Request& request);
void handle_publish(const Request& request);
void handle_fetch(const Request& request);
void handle_list_offsets(const Request& request);
void handle_replay_read(const Request& request);
void handle_topic_create(const Request& request);
void handle_topic_alter(const Request& request);
void handle_topic_delete(const Request& request);
void handle_group(const Request& request);
void handle_subscription_admin(const Request& request);
void handle_subscription_consumer(const Request& request);
void handle_letters(const Request& request);
void handle_jobs(const Request& request);
/// The connection is gone: its delivery sessions end on every shard.
void end_deliveries(Session& session);

}  // namespace millrace::broker::protocol
