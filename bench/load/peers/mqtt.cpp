#include <stdexcept>

#include "bench/load/peers/peer_protocol.hpp"

namespace millrace::bench {
namespace {

constexpr unsigned publish_qos_1 = 0x32;
constexpr unsigned connect = 0x10;
constexpr unsigned connect_ack = 0x20;
constexpr unsigned publish_ack = 0x40;
constexpr std::size_t ack_bytes = 4;  ///< of both kinds of ack

void append_byte(std::string& out, unsigned value) {
    out += static_cast<char>(value);
}
void append_short(std::string& out, std::size_t value) {
    append_byte(out, static_cast<unsigned>(value >> 8U & 0xFFU));
    append_byte(out, static_cast<unsigned>(value & 0xFFU));
}
/// Seven bits a byte, the lowest first.
void append_length(std::string& out, std::size_t length) {
    do {
        const auto low = static_cast<unsigned>(length & 0x7FU);
        length >>= 7U;
        append_byte(out, length > 0 ? low | 0x80U : low);
    } while (length > 0);
}

/// MQTT 3.1.1 with QoS 1: what is not acked has an id, and the ack names it.
class Mqtt final : public PeerProtocol {
  public:
    explicit Mqtt(std::uint32_t number) : client_("bench" + std::to_string(number)) {}

    std::string greeting() override {
        std::string text;
        append_byte(text, connect);
        append_length(text, 12 + client_.size());
        append_short(text, 4);
        text += "MQTT";
        append_byte(text, 4);  // version 3.1.1
        append_byte(text, 2);  // a clean session
        append_short(text, 0);
        append_short(text, client_.size());
        return text + client_;
    }
    bool is_ready() const override { return is_ready_; }

    void append_publish(std::string& out, std::uint32_t stream, std::string_view value) override {
        const auto topic = "bench/" + std::to_string(stream);
        append_byte(out, publish_qos_1);
        append_length(out, 4 + topic.size() + value.size());
        append_short(out, topic.size());
        out += topic;
        // Zero is no id.
        next_id_ = next_id_ == UINT16_MAX ? 1 : next_id_ + 1;
        append_short(out, next_id_);
        out += value;
    }

    Taken take(std::string_view& bytes) override {
        Taken taken;
        for (; bytes.size() >= ack_bytes; bytes.remove_prefix(ack_bytes)) {
            const auto kind = static_cast<unsigned char>(bytes.front());
            if (kind == connect_ack && bytes[3] == 0) {
                is_ready_ = true;
            } else if (kind == publish_ack) {
                ++taken.acks;
            } else {
                throw std::runtime_error("mqtt: packet " + std::to_string(kind));
            }
        }
        return taken;
    }

  private:
    std::string client_;
    std::uint32_t next_id_ = 0;
    bool is_ready_ = false;
};

}  // namespace

std::unique_ptr<PeerProtocol> make_mqtt(const PeerPlace& place) {
    return std::make_unique<Mqtt>(place.connection);
}

}  // namespace millrace::bench
