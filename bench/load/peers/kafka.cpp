#include <deque>
#include <map>
#include <stdexcept>
#include <utility>

#include "bench/load/peers/big_endian.hpp"
#include "bench/load/peers/peer_protocol.hpp"

#include "client/wire/record_batch.hpp"

namespace millrace::bench {
namespace {

/// Kafka: the events that may go are gathered into a batch for each partition, as its own producer
/// does, in requests that are answered in their order.
class Kafka final : public PeerProtocol {
  public:
    explicit Kafka(const PeerPlace& place) : partitions_(place.streams) {}

    std::string greeting() override { return ask_for_topic(); }
    bool is_ready() const override { return is_ready_; }

    void append_publish(std::string& out, std::uint32_t stream, std::string_view value) override {
        gathered_[static_cast<std::int32_t>(stream)].add(
            {.key = std::nullopt, .value = value, .headers = {}, .event_time_us = 1});
        if (++gathered_events_ == events_max) {
            append_gathered(out);
        }
    }
    void append_gathered(std::string& out) override {
        if (gathered_events_ == 0) {
            return;
        }
        std::string body;
        append_be(body, std::int16_t{-1});  // no transaction
        append_be(body, all_replicas);
        append_be(body, std::int32_t{30'000});
        append_be(body, std::int32_t{1});
        append_text(body, topic);
        append_be(body, static_cast<std::int32_t>(gathered_.size()));
        for (auto& [partition, batch] : gathered_) {
            const auto bytes = batch.finish({}).value();
            append_be(body, partition);
            append_be(body, static_cast<std::int32_t>(bytes.size()));
            for (const auto byte : bytes) {
                body += static_cast<char>(byte);
            }
        }
        out += request(produce, produce_version, body);
        events_of_requests_.push_back(std::exchange(gathered_events_, 0));
        gathered_.clear();
    }

    Taken take(std::string_view& bytes) override {
        Taken taken;
        for (auto frame = take_frame(bytes); !frame.empty(); frame = take_frame(bytes)) {
            (void)take_be<std::int32_t>(frame);
            if (!is_ready_) {
                taken.reply += prepare(frame);
                continue;
            }
            check(error_of(frame));
            taken.acks += events_of_requests_.front();
            events_of_requests_.pop_front();
        }
        return taken;
    }

  private:
    static constexpr std::string_view topic = "bench";
    static constexpr std::int16_t produce = 0;
    static constexpr std::int16_t produce_version = 3;  // the oldest with this layout of batches
    static constexpr std::int16_t list_offsets = 2;
    static constexpr std::int16_t list_offsets_version = 1;
    static constexpr std::int16_t metadata = 3;
    static constexpr std::int16_t metadata_version = 1;  // creates the topic where that is allowed
    static constexpr std::int16_t no_error = 0;
    static constexpr std::int16_t unknown_topic = 3;
    static constexpr std::int16_t leader_not_available = 5;
    static constexpr std::int16_t not_leader = 6;
    static constexpr std::int16_t all_replicas = -1;
    /// Of a request. Kafka works on one request of a connection at a time: with a few under way it
    /// need not wait for the next.
    static constexpr std::uint32_t events_max = 256;

    std::string request(std::int16_t key, std::int16_t version, std::string_view body) {
        std::string head;
        append_be(head, key);
        append_be(head, version);
        append_be(head, next_request_++);
        append_text(head, "bench");
        std::string text;
        append_be(text, static_cast<std::int32_t>(head.size() + body.size()));
        return text.append(head).append(body);
    }
    std::string ask_for_topic() {
        std::string body;
        append_be(body, std::int32_t{1});
        append_text(body, topic);
        return request(metadata, metadata_version, body);
    }

    std::string ask_for_ends() {
        std::string body;
        append_be(body, std::int32_t{-1});  // no replica
        append_be(body, std::int32_t{1});
        append_text(body, topic);
        append_be(body, static_cast<std::int32_t>(partitions_));
        for (std::uint32_t partition = 0; partition < partitions_; ++partition) {
            append_be(body, static_cast<std::int32_t>(partition));
            append_be(body, std::int64_t{-1});  // the end
        }
        return request(list_offsets, list_offsets_version, body);
    }

    static void check(std::int16_t error) {
        if (error != no_error) {
            throw std::runtime_error("kafka: error " + std::to_string(error));
        }
    }
    [[nodiscard]] static bool ends_by_itself(std::int16_t error) {
        return error == unknown_topic || error == leader_not_available || error == not_leader;
    }
    /// The topic is made with the first question; then it has leaders, and then these know that
    /// they are. What to ask next.
    std::string prepare(std::string_view answer) {
        const auto error = has_topic_ ? error_of(answer) : topic_error_of(answer);
        if (!ends_by_itself(error)) {
            check(error);
            is_ready_ = has_topic_;
            has_topic_ = true;
        }
        if (is_ready_) {
            return {};
        }
        return has_topic_ ? ask_for_ends() : ask_for_topic();
    }
    [[nodiscard]] std::int16_t topic_error_of(std::string_view answer) const {
        for (auto brokers = take_be<std::int32_t>(answer); brokers > 0; --brokers) {
            (void)take_be<std::int32_t>(answer);
            (void)take_text(answer);
            (void)take_be<std::int32_t>(answer);
            (void)take_text(answer);
        }
        (void)take_be<std::int32_t>(answer);  // the controller
        (void)take_be<std::int32_t>(answer);  // one topic
        if (const auto error = take_be<std::int16_t>(answer); error != no_error) {
            return error;
        }
        (void)take_text(answer);
        (void)take_be<std::int8_t>(answer);
        const auto partitions = take_be<std::int32_t>(answer);
        if (partitions != static_cast<std::int32_t>(partitions_)) {
            throw std::runtime_error("kafka: the topic has " + std::to_string(partitions) +
                                     " partitions");
        }
        return no_error;
    }
    /// The first of the partitions' in an answer about offsets, or to what was produced.
    [[nodiscard]] static std::int16_t error_of(std::string_view answer) {
        (void)take_be<std::int32_t>(answer);  // one topic
        (void)take_text(answer);
        for (auto partitions = take_be<std::int32_t>(answer); partitions > 0; --partitions) {
            (void)take_be<std::int32_t>(answer);
            if (const auto error = take_be<std::int16_t>(answer); error != no_error) {
                return error;
            }
            (void)take_be<std::int64_t>(answer);  // offset and time, in either order
            (void)take_be<std::int64_t>(answer);
        }
        return no_error;
    }

    std::uint32_t partitions_;
    std::int32_t next_request_ = 1;
    bool has_topic_ = false;
    bool is_ready_ = false;
    std::map<std::int32_t, wire::RecordBatchBuilder> gathered_;
    std::uint32_t gathered_events_ = 0;
    std::deque<std::uint32_t> events_of_requests_;
};

}  // namespace

std::unique_ptr<PeerProtocol> make_kafka(const PeerPlace& place) {
    return std::make_unique<Kafka>(place);
}

}  // namespace millrace::bench
