#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/delivery/letters/letter_store.hpp"
#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker {
class Shard;
}

namespace millrace::broker::delivery {

class Engine;

/// Errors: unknown_subscription, for one with this name.
[[nodiscard]] Error unknown_subscription(const std::string& name);

/// See Letters: finds letters in the store, and what waits behind them in the engines.
class ShardLetters final : public Letters {
  public:
    /// Null for a subscription that does not exist.
    using EngineOf = std::function<const Engine*(const std::string& subscription)>;
    /// `store` is set once the shard has recovered.
    ShardLetters(Shard& shard, const std::unique_ptr<LetterStore>& store, EngineOf engine_of)
        : shard_(shard), letters_(store), engine_of_(std::move(engine_of)) {}

    [[nodiscard]] Result<LetterPage> list(const LetterQuery& query) const override;
    [[nodiscard]] Result<LetterPage> find(const LetterQuery& query) const override;
    [[nodiscard]] Result<LetterGroups> group(const LetterQuery& query,
                                             const LetterGrouping& grouping) const override;
    [[nodiscard]] Result<Letter> show(const std::string& subscription,
                                      std::uint64_t id) const override;
    void change(LetterSelection selection,
                LetterEdit edit,
                std::function<void(Result<std::uint64_t>)> done) override;

  private:
    Shard& shard_;
    const std::unique_ptr<LetterStore>& letters_;
    EngineOf engine_of_;
};

}  // namespace millrace::broker::delivery
