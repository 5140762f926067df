#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.hpp"
#include "storage/index/key_value.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// State between checkpoints: what changed lies in memory above what RocksDB has.
///
/// Promise:  RocksDB only ever holds the state of one place in the log. `freeze` takes what changed
/// for a checkpoint; until `thaw` says that
///           the checkpoint is on disk, reads look through both layers.
/// Threads:  the shard's; `add_frozen_to` from the background thread between `freeze` and `thaw`.
class StateMap final : public StateWriter {
  public:
    explicit StateMap(const KeyValueStore& below) : below_(below) {}

    void put(std::string_view key, std::string_view value) override;
    void erase(std::string_view key) override;
    [[nodiscard]] Result<std::optional<std::string>> load(std::string_view key) const;
    [[nodiscard]] Result<void> visit(
        std::string_view prefix,
        std::string_view from,
        const std::function<bool(std::string_view, std::string_view)>& visit) const;

    void freeze();
    void add_frozen_to(KeyValueBatch& batch) const;
    void thaw() { frozen_.clear(); }
    /// A checkpoint failed: what was frozen goes with the next.
    void unfreeze();
    [[nodiscard]] std::size_t unsaved_bytes() const { return unsaved_bytes_; }

  private:
    using Layer =
        std::map<std::string, std::optional<std::string>, std::less<>>;  ///< nothing: erased
    void set(std::string_view key, std::optional<std::string> value);
    [[nodiscard]] const std::optional<std::string>* find_changed(std::string_view key) const;
    [[nodiscard]] Layer changed_with(std::string_view prefix, std::string_view from) const;

    const KeyValueStore& below_;
    Layer active_;
    Layer frozen_;
    std::size_t unsaved_bytes_ = 0;
};

}  // namespace millrace::storage
