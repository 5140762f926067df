#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/delivery/commands.hpp"
#include "broker/delivery/letters.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::delivery {

/// Dead letters in the shard's state: `l/<subscription>/<id>`, and `m/letters` for the last
/// sequence.
///
/// Threads:  the shard's.
class LetterStore {
  public:
    LetterStore(storage::ShardStore& store, GroupId group) : store_(store), group_(group) {}

    [[nodiscard]] Result<void> restore();
    /// Gives the letter its id and keeps it. In `apply` only.
    std::uint64_t open(std::uint32_t subscription, Letter letter);
    /// In `apply` only. Errors: unknown_letter.
    [[nodiscard]] Result<Letter> change(const LetterChangeCommand& command);

    [[nodiscard]] Result<Letter> load(std::uint32_t subscription, std::uint64_t id) const;
    /// Letters of a subscription by id, from `after` on, until `visit` returns false.
    [[nodiscard]] Result<void> visit(std::uint32_t subscription,
                                     std::uint64_t after,
                                     const std::function<bool(Letter)>& visit) const;
    void erase_all(std::uint32_t subscription);

  private:
    storage::ShardStore& store_;
    GroupId group_;
    std::uint64_t last_sequence_ = 0;
};

}  // namespace millrace::broker::delivery
