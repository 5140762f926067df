#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/commands.hpp"
#include "broker/delivery/letters/letters.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::delivery {

/// What an engine must know of a letter that is not over.
struct LetterBrief {
    std::uint64_t id = 0;
    LetterState state = LetterState::open;
    PartitionId partition;
    Offset offset;
    std::uint32_t epoch = 0;
    std::string key;
};

/// How many letters a subscription may have that are not over, on one shard, and how many of those
/// that are over stay to be looked at.
struct LetterLimits {
    std::uint64_t letters_max = 1'000'000;
    std::uint64_t letters_bytes_max = 4ULL << 30U;
    std::uint64_t settled_letters_max = 10'000;
    std::uint64_t settled_letters_bytes_max = 1ULL << 30U;
};

/// Dead letters in the shard's state.
///
/// Promise:  a letter that is not over stays; of those that are, the ones that were settled last.
/// Rows:     `l/<subscription>/<id>` the letter with its record,
/// `x/<subscription>/<state>/<cause>/<id>` its brief, or when it was settled and its bytes,
/// `m/letters` the last sequence, `b/<subscription>` the bytes of those that are not over.
/// Questions by state and cause touch only what matches. Threads:  the shard's.
class LetterStore {
  public:
    LetterStore(storage::ShardStore& store, GroupId group, LetterLimits limits = {})
        : store_(store), group_(group), limits_(limits) {}

    /// Reads the index once, for the counts.
    [[nodiscard]] Result<void> restore();
    /// Gives the letter its id and keeps it. In `apply` only.
    std::uint64_t open(std::uint32_t subscription, Letter letter);
    /// In `apply` only. Errors: unknown_letter.
    [[nodiscard]] Result<Letter> change(const LetterChangeCommand& command);
    /// In `apply` only. Errors: unknown_letter; invalid_argument for one that is not redriven.
    [[nodiscard]] Result<void> retry(const LetterRetryCommand& command);

    [[nodiscard]] Result<Letter> load(std::uint32_t subscription, std::uint64_t id) const;
    /// Letters that are open or redriven, until `visit` returns false.
    [[nodiscard]] Result<void> visit_active(
        std::uint32_t subscription, const std::function<bool(const LetterBrief&)>& visit) const;
    /// Letters that the query's state and cause name and `is_wanted` accepts, by id. Looks at
    /// `examined_max` letters at most, so that an answer never takes long.
    [[nodiscard]] Result<LetterPage> find(
        std::uint32_t subscription,
        const LetterQuery& query,
        const std::function<bool(const Letter&)>& is_wanted) const;
    /// How many in a state, by cause.
    using Counts = std::array<std::uint64_t, cause_count>;
    [[nodiscard]] Counts counts(std::uint32_t subscription, LetterState state) const;
    void erase_all(std::uint32_t subscription);

    /// Letters of a subscription that are open or redriven.
    struct Active {
        std::uint64_t count = 0;
        std::uint64_t bytes = 0;
    };
    [[nodiscard]] Active active(std::uint32_t subscription) const;
    [[nodiscard]] const LetterLimits& limits() const { return limits_; }
    /// The limit that is reached, in words; empty below. Then a subscription hands out nothing new;
    /// what it has in flight may still fail and go above.
    [[nodiscard]] std::string full_reason(std::uint32_t subscription) const;

    static constexpr std::uint32_t examined_max = 1'000;

  private:
    /// Sees a letter; false: no more.
    using Visit = std::function<bool(Letter letter)>;
    /// In the order of their ids, without looking at those of other states and causes. True where
    /// there are none behind those that were seen.
    [[nodiscard]] Result<bool> visit_indexed(std::uint32_t subscription,
                                             const LetterQuery& query,
                                             const Visit& visit) const;
    /// The same over all letters, each row read once.
    [[nodiscard]] Result<bool> visit_rows(std::uint32_t subscription,
                                          const LetterQuery& query,
                                          const Visit& visit) const;
    /// Ids after `query.after_id` in order, at most `examined_max`.
    [[nodiscard]] Result<std::vector<std::uint64_t>> candidates(std::uint32_t subscription,
                                                                const LetterQuery& query) const;
    /// Whether most letters have the state and the cause of the query.
    [[nodiscard]] bool wants_most(std::uint32_t subscription, const LetterQuery& query) const;
    /// Where a letter's brief lies.
    struct Place {
        LetterState state = LetterState::open;
        Cause cause = Cause::none;
    };
    /// Those that are over, by when they were settled.
    struct Settled {
        struct One {
            Place place;
            std::uint64_t bytes = 0;
        };
        std::map<std::pair<UnixMicros, std::uint64_t>, One> letters;
        std::uint64_t bytes = 0;
        void add(UnixMicros time_us, std::uint64_t id, One one);
        void drop_oldest();
    };
    void erase_index(std::uint32_t subscription, Place place, std::uint64_t id);
    [[nodiscard]] bool has_too_many(const Settled& settled) const;
    void drop_settled(std::uint32_t subscription);
    void put(std::uint32_t subscription, const Letter& letter);
    void erase_brief(std::uint32_t subscription, const Letter& letter);
    void put_bytes(std::uint32_t subscription, std::uint64_t bytes);

    storage::ShardStore& store_;
    GroupId group_;
    LetterLimits limits_;
    std::uint64_t last_sequence_ = 0;
    std::map<std::pair<std::uint32_t, LetterState>, Counts> counts_;
    std::map<std::uint32_t, std::uint64_t> bytes_;
    std::map<std::uint32_t, Settled> settled_;
};

}  // namespace millrace::broker::delivery
