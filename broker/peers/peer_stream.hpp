#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/peers/peer_wire.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::peers {

/// A connection to another node of its own, for requests one at a time.
///
/// Threads:  any, one at a time; calls block, for 10 s at most. Failure:  shutting_down when
/// `is_stopping`; connection_lost; timed_out. After one of these it is of no more use.
class PeerStream {
  public:
    PeerStream(const Endpoint& endpoint, const std::atomic<bool>& is_stopping);
    PeerStream(const PeerStream&) = delete;
    PeerStream& operator=(const PeerStream&) = delete;
    PeerStream(PeerStream&&) = delete;
    PeerStream& operator=(PeerStream&&) = delete;
    ~PeerStream();

    /// Connects and greets. Errors: what was refused, too.
    [[nodiscard]] Result<void> open(const PeerHello& hello);
    /// The bytes of the answer. Errors: what was refused, too.
    [[nodiscard]] Result<std::vector<std::byte>> ask(const std::vector<std::byte>& frame,
                                                     std::uint32_t correlation);
    [[nodiscard]] Result<void> send(const std::vector<std::byte>& frame);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::peers
