#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "broker/delivery/flight/item.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// Keys with a record on its way or a dead letter, and what is parked behind it: offsets, and as
/// long as there is room the records too, so that they need not be read again.
///
/// Promise:  a key is free, and what is parked goes on, once its record and all its letters are
///           over, in whichever order they end.
/// Threads:  the shard's.
class KeyTable {
  public:
    /// `kept_bytes_max`: of records that are kept beside their offsets.
    explicit KeyTable(std::size_t kept_bytes_max) : kept_bytes_max_(kept_bytes_max) {}

    struct Parked {
        Offset offset;
        std::unique_ptr<Item> item;  ///< null: read it again
    };

    /// False when the key was busy already.
    bool take(PartitionId partition, std::string_view key);
    /// Behind what is parked there already. **Requires** that the item's key is busy.
    void park(Item item);
    /// The key will be busy for long, behind a letter or a delay: what is parked there keeps
    /// offsets only, until it is released.
    void hold(PartitionId partition, std::string_view key);
    /// A letter keeps the key busy, from now on; once, however often it is called.
    void hold_for_letter(PartitionId partition, std::string_view key, std::uint64_t letter);
    /// The record on its way has become a letter, which keeps the key busy in its place.
    void turn_into_letter(PartitionId partition, std::string_view key, std::uint64_t letter);
    /// A parked record whose record is not kept, while there is room for it.
    [[nodiscard]] bool lacks(PartitionId partition, std::string_view key, Offset offset);
    /// **Requires** that it is lacking.
    void keep(Item item);
    [[nodiscard]] bool has_room() const { return kept_bytes_ < kept_bytes_max_; }
    /// The record on its way is over. The next of what is parked, for which the key stays busy;
    /// nothing when a letter holds the key, or when it is free now.
    [[nodiscard]] std::optional<Parked> release(PartitionId partition, std::string_view key);
    /// The same for a letter. One that does not hold the key releases nothing.
    [[nodiscard]] std::optional<Parked> release_letter(PartitionId partition,
                                                       std::string_view key,
                                                       std::uint64_t letter);
    /// Forgets the keys of a partition.
    void drop(PartitionId partition);

    [[nodiscard]] std::size_t busy_keys() const { return keys_.size(); }
    [[nodiscard]] std::uint64_t parked_keys() const { return parked_keys_; }
    [[nodiscard]] std::uint64_t parked_records() const { return parked_records_; }
    [[nodiscard]] std::uint32_t parked_behind(PartitionId partition, std::string_view key) const;

  private:
    /// A queue that costs nothing while it is empty: there may be a hundred thousand.
    class Queue {
      public:
        void push(Parked parked) { parked_.push_back(std::move(parked)); }
        [[nodiscard]] Parked pop();
        /// Null when it is not parked here.
        [[nodiscard]] Parked* find(Offset offset);
        [[nodiscard]] std::size_t size() const { return parked_.size() - taken_; }
        [[nodiscard]] std::size_t kept_bytes() const;
        void drop_items();

        bool is_held = false;
        bool has_record = false;             ///< on its way
        std::vector<std::uint64_t> letters;  ///< nearly always one at most

      private:
        std::vector<Parked> parked_;
        std::size_t taken_ = 0;
    };
    struct Name {
        PartitionId partition;
        std::string key;
    };
    struct NameView {
        PartitionId partition;
        std::string_view key;
    };
    struct Hash {
        using is_transparent = void;  // NOLINT(readability-identifier-naming): the table's word
        [[nodiscard]] std::size_t operator()(const auto& name) const noexcept {
            return std::hash<std::string_view>{}(name.key) ^ std::size_t{name.partition.value};
        }
    };
    struct Equal {
        using is_transparent = void;  // NOLINT(readability-identifier-naming): the table's word
        [[nodiscard]] bool operator()(const auto& a, const auto& b) const noexcept {
            return a.partition == b.partition && a.key == b.key;
        }
    };
    /// One piece of memory: a look-up is one miss, a new key no allocation.
    using Queues = boost::unordered_flat_map<Name, Queue, Hash, Equal>;
    [[nodiscard]] Queues::iterator find(PartitionId partition, std::string_view key) {
        return keys_.find(NameView{.partition = partition, .key = key});
    }
    /// **Requires** that the key is not busy.
    Queue& add(PartitionId partition, std::string_view key);
    [[nodiscard]] Queue& queue_of(PartitionId partition, std::string_view key);
    [[nodiscard]] std::optional<Parked> next_of(Queues::iterator found);
    void hold(Queue& queue);
    [[nodiscard]] static std::size_t bytes_of(const Parked& parked);

    std::size_t kept_bytes_max_;
    Queues keys_;
    std::uint64_t parked_keys_ = 0;
    std::uint64_t parked_records_ = 0;
    std::size_t kept_bytes_ = 0;
};

}  // namespace millrace::broker::delivery
