#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/peers/peer_wire.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/copy/segment_source.hpp"

namespace millrace::broker::peers {

class PeerStream;

/// The segments of a shard on the node that leads it: finds that node among the others, and asks
/// the next one when it is gone or leads no more.
///
/// Threads:  any, one at a time; calls block. Failure:  shutting_down when `is_stopping`;
/// unavailable while no node leads; conflict where the leader's term is below one that this node
/// has seen.
class CopySource final : public storage::SegmentSource {
  public:
    struct Options {
        PeerHello hello;                               ///< of this node
        std::vector<Endpoint> others;                  ///< where this shard listens on the others
        std::map<std::uint32_t, std::uint64_t> terms;  ///< by group: what this node has seen
    };
    CopySource(Options options, const std::atomic<bool>& is_stopping);
    CopySource(const CopySource&) = delete;
    CopySource& operator=(const CopySource&) = delete;
    CopySource(CopySource&&) = delete;
    CopySource& operator=(CopySource&&) = delete;
    ~CopySource() override;

    [[nodiscard]] Result<std::vector<storage::SegmentExtent>> list() override;
    [[nodiscard]] Result<std::vector<std::byte>> read(const storage::SegmentRead& read) override;
    void doubt(const storage::SegmentExtent& extent) override;

  private:
    [[nodiscard]] Result<std::vector<storage::SegmentExtent>> list_of(const Endpoint& endpoint);

    Options options_;
    const std::atomic<bool>& is_stopping_;
    std::unique_ptr<PeerStream> stream_;  ///< to the one that answered a list
    std::uint32_t last_correlation_ = 0;
};

}  // namespace millrace::broker::peers
