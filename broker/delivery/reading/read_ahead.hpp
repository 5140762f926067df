#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "broker/shard/shard.hpp"
#include "storage/base/units.hpp"

namespace millrace::broker::delivery {

/// What readers of old records will ask for next, read from the disk while they take in what they
/// have.
///
/// Promise:  a read gets what the store would give it. What was read and is not asked for within
///           `held_time_max` goes; where `held_bytes_max` are held, nothing more is read ahead.
/// Threads:  the shard's.
class ReadAhead {
  public:
    using Requests = std::vector<storage::ReadRequest>;
    static constexpr std::size_t held_bytes_max_default = 32_MiB;
    /// Where less may come, waiting for the disk is a small part of what a read costs.
    static constexpr std::size_t chunk_bytes_min = 1_MiB;
    static constexpr Duration held_time_max = std::chrono::seconds(1);

    explicit ReadAhead(Shard& shard, std::size_t held_bytes_max = held_bytes_max_default);
    ReadAhead(const ReadAhead&) = delete;
    ReadAhead& operator=(const ReadAhead&) = delete;
    ReadAhead(ReadAhead&&) = delete;
    ReadAhead& operator=(ReadAhead&&) = delete;
    ~ReadAhead() = default;

    /// As ShardStore::read_all; runs `done` before it returns where all is there.
    void read_all(const Requests& requests, std::size_t runs_bytes_max, storage::ReadAllDone done);
    /// Begins a read that `read_all` is likely to ask for.
    void begin(Requests requests, std::size_t runs_bytes_max);
    /// What is held, and what reads under way may bring.
    [[nodiscard]] std::size_t held_bytes() const;

  private:
    struct Chunk;
    using Chunks = std::vector<std::shared_ptr<Chunk>>;
    [[nodiscard]] Chunks::iterator find(const Requests& requests, std::size_t runs_bytes_max);
    /// Nothing that was to be read is gone by now.
    [[nodiscard]] bool is_there(const Requests& requests) const;
    void sweep_later();
    void sweep();
    void note_held();

    Shard& shard_;
    std::size_t held_bytes_max_;
    Chunks chunks_;  ///< oldest first
    bool will_sweep_ = false;
    Counter& used_;
    Counter& unused_;
    Counter& refused_;
    Gauge& held_;
};

}  // namespace millrace::broker::delivery
