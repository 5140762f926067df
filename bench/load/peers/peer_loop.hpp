#pragma once

#include "bench/load/works/workloads.hpp"

namespace millrace::bench {

/// A closed loop against another broker.
struct PeerLoad {
    std::string protocol = "redis";  ///< as make_peer_protocol knows it
    std::string host = "127.0.0.1";
    std::string port;
    std::uint32_t streams = 100;
    std::uint32_t in_a_row = 1;  ///< events that go to a stream before the next has its turn
    std::uint32_t producers = 1;
    std::uint32_t outstanding = 1024;
    std::size_t event_bytes = 256;
    std::chrono::milliseconds duration{5'000};
    std::chrono::milliseconds warm_up{1'000};
};
/// Throws std::runtime_error when the peer refuses something, std::system_error when it goes away.
[[nodiscard]] PublishFigures run_peer(const PeerLoad& load);

}  // namespace millrace::bench
