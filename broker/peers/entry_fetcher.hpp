#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "broker/peers/peer_wire.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/repair/entry_source.hpp"

namespace millrace::broker::peers {

class PeerStream;

/// Entries from the logs of the other nodes, whether they lead or not: asks one after another,
/// first the one that answered last.
///
/// Threads:  any, one at a time; calls block.
class EntryFetcher final : public storage::EntrySource {
  public:
    struct Options {
        PeerHello hello;               ///< of this node
        std::vector<Endpoint> others;  ///< where this shard listens on the others
    };
    EntryFetcher(Options options, const std::atomic<bool>& is_stopping);
    EntryFetcher(const EntryFetcher&) = delete;
    EntryFetcher& operator=(const EntryFetcher&) = delete;
    EntryFetcher(EntryFetcher&&) = delete;
    EntryFetcher& operator=(EntryFetcher&&) = delete;
    ~EntryFetcher() override;

    [[nodiscard]] Result<std::vector<std::byte>> fetch(
        const storage::EntryRequest& request) override;

  private:
    [[nodiscard]] Result<std::vector<std::byte>> ask(std::size_t number,
                                                     const storage::EntryRequest& request);

    Options options_;
    const std::atomic<bool>& is_stopping_;
    std::vector<std::unique_ptr<PeerStream>> streams_;  ///< in the order of the others
    std::size_t first_ = 0;
    std::uint32_t last_correlation_ = 0;
};

}  // namespace millrace::broker::peers
