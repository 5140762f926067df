#include "bench/load/peers/peer_protocol.hpp"

namespace millrace::bench {

std::unique_ptr<PeerProtocol> make_peer_protocol(std::string_view name, const PeerPlace& place) {
    if (name == "redis") {
        return make_redis();
    }
    if (name == "nats") {
        return make_nats(place);
    }
    if (name == "mqtt") {
        return make_mqtt(place);
    }
    if (name == "rabbitmq") {
        return make_rabbitmq(place);
    }
    return name == "kafka" ? make_kafka(place) : nullptr;
}

}  // namespace millrace::bench
