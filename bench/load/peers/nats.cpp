#include <charconv>
#include <stdexcept>

#include <unistd.h>

#include "bench/load/peers/peer_protocol.hpp"

namespace millrace::bench {
namespace {

constexpr std::string_view line_end = "\r\n";

/// JetStream: an event goes with a subject to answer to, and its ack is a message there.
class Nats final : public PeerProtocol {
  public:
    /// Acks of a run that is over may still come: its inboxes were others.
    explicit Nats(std::uint32_t number)
        : inbox_("_INBOX.bench" + std::to_string(::getpid()) + "x" + std::to_string(number)) {}

    /// The same stream may be created again and again.
    std::string greeting() override {
        const std::string stream = R"({"name":"bench","subjects":["bench.>"],"storage":"file",)"
                                   R"("retention":"limits","num_replicas":1})";
        std::string text = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
        text += "SUB " + inbox_ + ".> 1\r\n";
        text += "PUB $JS.API.STREAM.CREATE.bench " + inbox_ + ".setup " +
                std::to_string(stream.size()) + "\r\n" + stream + "\r\n";
        return text;
    }
    bool is_ready() const override { return is_ready_; }

    void append_publish(std::string& out, std::uint32_t stream, std::string_view value) override {
        out += "PUB bench." + std::to_string(stream) + " " + inbox_ + ".ack " +
               std::to_string(value.size());
        out += line_end;
        out += value;
        out += line_end;
    }

    Taken take(std::string_view& bytes) override {
        Taken taken;
        while (true) {
            const auto end = bytes.find(line_end);
            if (end == std::string_view::npos) {
                return taken;
            }
            const auto line = bytes.substr(0, end);
            if (!line.starts_with("MSG ")) {
                take_line(line, taken);
                bytes.remove_prefix(end + line_end.size());
                continue;
            }
            const auto payload_bytes = last_number(line);
            const auto whole = end + line_end.size() + payload_bytes + line_end.size();
            if (bytes.size() < whole) {
                return taken;
            }
            take_message(line, bytes.substr(end + line_end.size(), payload_bytes), taken);
            bytes.remove_prefix(whole);
        }
    }

  private:
    static std::size_t last_number(std::string_view line) {
        const auto digits = line.substr(line.rfind(' ') + 1);
        std::size_t number = 0;
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), number);
        return number;
    }

    static void take_line(std::string_view line, Taken& taken) {
        if (line.starts_with("-ERR")) {
            throw std::runtime_error("nats: " + std::string(line));
        }
        if (line.starts_with("PING")) {
            taken.reply += "PONG\r\n";
        }
    }

    void take_message(std::string_view line, std::string_view payload, Taken& taken) {
        if (payload.find("\"error\"") != std::string_view::npos) {
            throw std::runtime_error("nats: " + std::string(payload));
        }
        if (line.find(".setup ") != std::string_view::npos) {
            is_ready_ = true;
        } else {
            ++taken.acks;
        }
    }

    std::string inbox_;
    bool is_ready_ = false;
};

}  // namespace

std::unique_ptr<PeerProtocol> make_nats(const PeerPlace& place) {
    return std::make_unique<Nats>(place.connection);
}

}  // namespace millrace::bench
