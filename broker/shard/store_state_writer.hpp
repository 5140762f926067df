#pragma once

#include <string_view>

#include "storage/shard_store.hpp"

namespace millrace::broker {

/// Puts through to the store's state.
class StoreStateWriter final : public storage::StateWriter {
  public:
    explicit StoreStateWriter(storage::ShardStore& store) : store_(store) {}
    void put(std::string_view key, std::string_view value) override {
        store_.put_state(key, value);
    }
    void erase(std::string_view key) override { store_.erase_state(key); }

  private:
    storage::ShardStore& store_;
};

}  // namespace millrace::broker
