#include <stdexcept>

#include "bench/load/peers/peer_protocol.hpp"

namespace millrace::bench {
namespace {

void append_bulk(std::string& out, std::string_view text) {
    out += "$" + std::to_string(text.size()) + "\r\n";
    out += text;
    out += "\r\n";
}

/// XADD: an answer is the id of the entry, as a bulk string of two lines.
class Redis final : public PeerProtocol {
  public:
    std::string greeting() override { return {}; }
    bool is_ready() const override { return true; }

    void append_publish(std::string& out, std::uint32_t stream, std::string_view value) override {
        out += "*5\r\n";
        append_bulk(out, "XADD");
        append_bulk(out, "bench:" + std::to_string(stream));
        append_bulk(out, "*");
        append_bulk(out, "v");
        append_bulk(out, value);
    }

    Taken take(std::string_view& bytes) override {
        Taken taken;
        while (!bytes.empty()) {
            const auto head = bytes.find("\r\n");
            if (head == std::string_view::npos) {
                break;
            }
            if (bytes.front() != '$') {
                throw std::runtime_error("redis: " + std::string(bytes.substr(0, head)));
            }
            const auto end = bytes.find("\r\n", head + 2);
            if (end == std::string_view::npos) {
                break;
            }
            bytes.remove_prefix(end + 2);
            ++taken.acks;
        }
        return taken;
    }
};

}  // namespace

std::unique_ptr<PeerProtocol> make_redis() {
    return std::make_unique<Redis>();
}

}  // namespace millrace::bench
