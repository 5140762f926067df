#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "client/src/core.hpp"
#include "client/src/decode.hpp"
#include "millrace/consumer.hpp"

namespace millrace {

/// Reads every shard's log in its own order and merges by append time.
class Replay::Impl {
  public:
    Impl(std::shared_ptr<client::Core> core, ReplayOptions options);
    [[nodiscard]] std::vector<Record> read();

  private:
    struct Shard {
        std::deque<Record> records;
        bool has_cursor = false;
        bool is_done = false;
        std::uint64_t segment = 0;
        std::uint64_t position = 0;
    };
    void fill(std::size_t index);

    std::shared_ptr<client::Core> core_;
    ReplayOptions options_;
    std::shared_ptr<const client::PartitionNames> names_;
    std::vector<Shard> shards_;
};

}  // namespace millrace
