#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/delivery/flight/item.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// Keys with a record on its way, and what is parked behind it: offsets, and as long as there is
/// room the records too, so that they need not be read again.
///
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
    /// A parked record whose record is not kept, while there is room for it.
    [[nodiscard]] bool lacks(PartitionId partition, std::string_view key, Offset offset);
    /// **Requires** that it is lacking.
    void keep(Item item);
    [[nodiscard]] bool has_room() const { return kept_bytes_ < kept_bytes_max_; }
    /// The next of what is parked, for which the key stays busy; else the key is free.
    [[nodiscard]] std::optional<Parked> release(PartitionId partition, std::string_view key);
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

      private:
        std::vector<Parked> parked_;
        std::size_t taken_ = 0;
    };
    [[nodiscard]] static std::string name_of(PartitionId partition, std::string_view key);
    [[nodiscard]] static std::size_t bytes_of(const Parked& parked);

    std::size_t kept_bytes_max_;
    std::unordered_map<std::string, Queue> keys_;
    std::uint64_t parked_keys_ = 0;
    std::uint64_t parked_records_ = 0;
    std::size_t kept_bytes_ = 0;
};

}  // namespace millrace::broker::delivery
