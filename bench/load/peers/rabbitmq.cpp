#include <map>
#include <stdexcept>

#include "bench/load/peers/big_endian.hpp"
#include "bench/load/peers/peer_protocol.hpp"

namespace millrace::bench {
namespace {

/// RabbitMQ's own protocol of streams: a publisher for each, events of a stream gathered in one
/// frame, confirms that name their events and come in any order.
class RabbitMq final : public PeerProtocol {
  public:
    explicit RabbitMq(const PeerPlace& place) : streams_(place.streams) {
        if (streams_ > publishers_max) {
            throw std::runtime_error("rabbitmq: a connection has at most " +
                                     std::to_string(publishers_max) + " publishers");
        }
    }

    std::string greeting() override {
        std::string body;
        append_be(body, std::uint32_t{0});  // no properties
        return request(Command::peer_properties, body);
    }
    bool is_ready() const override { return answers_missing_ == 0 && is_declaring_; }

    void append_publish(std::string& /*out*/,
                        std::uint32_t stream,
                        std::string_view value) override {
        auto& frame = gathered_[static_cast<std::uint8_t>(stream)];
        ++frame.count;
        append_be(frame.messages, next_event_++);
        append_be(frame.messages, static_cast<std::uint32_t>(value.size()));
        frame.messages += value;
    }
    void append_gathered(std::string& out) override {
        for (const auto& [publisher, frame] : gathered_) {
            std::string body;
            append_be(body, publisher);
            append_be(body, frame.count);
            out += framed(Command::publish, body + frame.messages);
        }
        gathered_.clear();
    }

    Taken take(std::string_view& bytes) override {
        Taken taken;
        for (auto frame = take_frame(bytes); !frame.empty(); frame = take_frame(bytes)) {
            const auto key = take_be<std::uint16_t>(frame);
            const auto command = static_cast<Command>(key & ~answer_bit);
            (void)take_be<std::uint16_t>(frame);
            if (command == Command::publish_confirm) {
                take_confirm(frame, taken);
            } else if (command == Command::publish_error) {
                throw std::runtime_error("rabbitmq: an event was refused");
            } else if (command == Command::tune) {
                taken.reply += answer_tune(frame) + open();
            } else if ((key & answer_bit) != 0) {
                take_answer(command, frame, taken);
            }
        }
        return taken;
    }

  private:
    enum class Command : std::uint16_t {
        declare_publisher = 1,
        publish = 2,
        publish_confirm = 3,
        publish_error = 4,
        create_stream = 13,
        peer_properties = 17,
        sasl_handshake = 18,
        sasl_authenticate = 19,
        tune = 20,
        open_host = 21,
    };
    static constexpr std::uint32_t publishers_max = 255;
    static constexpr std::uint16_t version = 1;
    static constexpr std::uint16_t answer_bit = 0x8000;
    static constexpr std::uint16_t code_fine = 1;
    static constexpr std::uint16_t code_exists = 5;
    struct Gathered {
        std::uint32_t count = 0;
        std::string messages;
    };

    static std::string framed(Command command, std::string_view body, std::uint16_t bit = 0) {
        std::string frame;
        append_be(frame, static_cast<std::uint32_t>(2 * sizeof(std::uint16_t) + body.size()));
        append_be(frame, static_cast<std::uint16_t>(static_cast<std::uint16_t>(command) | bit));
        append_be(frame, version);
        return frame.append(body);
    }
    std::string request(Command command, std::string_view body) {
        std::string correlated;
        append_be(correlated, next_request_++);
        return framed(command, correlated.append(body));
    }
    std::string authenticate() {
        constexpr std::string_view guest("\0guest\0guest", 12);
        std::string body;
        append_text(body, "PLAIN");
        append_be(body, static_cast<std::uint32_t>(guest.size()));
        return request(Command::sasl_authenticate, body.append(guest));
    }
    /// The server's frames may be as large as it likes; no heartbeats.
    static std::string answer_tune(std::string_view frame) {
        std::string body;
        append_be(body, take_be<std::uint32_t>(frame));
        append_be(body, std::uint32_t{0});
        return framed(Command::tune, body, answer_bit);
    }
    std::string open() {
        std::string body;
        append_text(body, "/");
        return request(Command::open_host, body);
    }
    static std::string name_of(std::uint32_t stream) { return "bench" + std::to_string(stream); }
    /// A request for each stream; they are answered one by one.
    std::string for_all_streams(Command command) {
        std::string requests;
        for (std::uint32_t stream = 0; stream < streams_; ++stream) {
            std::string body;
            if (command == Command::declare_publisher) {
                append_be(body, static_cast<std::uint8_t>(stream));
                append_text(body, "");  // without a name, so that nothing is left out as a repeat
            }
            append_text(body, name_of(stream));
            if (command == Command::create_stream) {
                append_be(body, std::uint32_t{0});  // no arguments
            }
            requests += request(command, body);
        }
        answers_missing_ = streams_;
        is_declaring_ = command == Command::declare_publisher;
        return requests;
    }

    void take_answer(Command command, std::string_view frame, Taken& taken) {
        (void)take_be<std::uint32_t>(frame);
        const auto code = take_be<std::uint16_t>(frame);
        if (code != code_fine && !(command == Command::create_stream && code == code_exists)) {
            throw std::runtime_error("rabbitmq: command " +
                                     std::to_string(static_cast<unsigned>(command)) +
                                     " was answered with code " + std::to_string(code));
        }
        if (command == Command::peer_properties) {
            taken.reply += request(Command::sasl_handshake, {});
        } else if (command == Command::sasl_handshake) {
            taken.reply += authenticate();
        } else if (command == Command::open_host) {
            taken.reply += for_all_streams(Command::create_stream);
        } else if (command == Command::create_stream && --answers_missing_ == 0) {
            taken.reply += for_all_streams(Command::declare_publisher);
        } else if (command == Command::declare_publisher) {
            --answers_missing_;
        }
    }
    static void take_confirm(std::string_view frame, Taken& taken) {
        (void)take_be<std::uint8_t>(frame);
        for (auto count = take_be<std::uint32_t>(frame); count > 0; --count) {
            taken.events.push_back(take_be<std::uint64_t>(frame));
        }
    }

    std::uint32_t streams_;
    std::uint32_t next_request_ = 1;
    std::uint64_t next_event_ = 0;
    std::uint32_t answers_missing_ = 0;
    bool is_declaring_ = false;
    std::map<std::uint8_t, Gathered> gathered_;
};

}  // namespace

std::unique_ptr<PeerProtocol> make_rabbitmq(const PeerPlace& place) {
    return std::make_unique<RabbitMq>(place);
}

}  // namespace millrace::bench
