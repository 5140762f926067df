#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.hpp"

namespace millrace::storage {

/// Writes that happen together or not at all.
class KeyValueBatch {
  public:
    KeyValueBatch();
    KeyValueBatch(KeyValueBatch&&) noexcept;
    KeyValueBatch& operator=(KeyValueBatch&&) noexcept;
    KeyValueBatch(const KeyValueBatch&) = delete;
    KeyValueBatch& operator=(const KeyValueBatch&) = delete;
    ~KeyValueBatch();

    void put(std::string_view key, std::string_view value);
    void erase(std::string_view key);

  private:
    friend class KeyValueStore;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

enum class Durability : std::uint8_t { later, now };

/// The rows under one prefix as they were at one moment, however long the reading takes and
/// whatever is written meanwhile. Keeps what it still has to read from being cleaned away.
class KeyValueCursor {
  public:
    KeyValueCursor(KeyValueCursor&&) noexcept;
    KeyValueCursor& operator=(KeyValueCursor&&) noexcept;
    KeyValueCursor(const KeyValueCursor&) = delete;
    KeyValueCursor& operator=(const KeyValueCursor&) = delete;
    ~KeyValueCursor();

    struct Row {
        std::string_view key;
        std::string_view value;
    };
    /// The next row in order, valid until the next call; nothing at the end.
    [[nodiscard]] Result<std::optional<Row>> next();

  private:
    friend class KeyValueStore;
    KeyValueCursor();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Where stores lie in memory, for simulated disks: what is written stays there from one opening to
/// the next. Threads: any.
class KeyValueMemory {
  public:
    KeyValueMemory();
    KeyValueMemory(const KeyValueMemory&) = delete;
    KeyValueMemory& operator=(const KeyValueMemory&) = delete;
    KeyValueMemory(KeyValueMemory&&) = delete;
    KeyValueMemory& operator=(KeyValueMemory&&) = delete;
    ~KeyValueMemory();

  private:
    friend class KeyValueStore;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The door to RocksDB: an ordered map of bytes. Index and state lie in it under one-letter
/// prefixes (docs/storage-format.md); one column family, so that what a crash leaves is always a
/// prefix of the writes.
///
/// Threads:  any.
/// Errors:   io with RocksDB's words.
class KeyValueStore {
  public:
    /// In `memory`; on disk without.
    [[nodiscard]] static Result<std::unique_ptr<KeyValueStore>> open(
        const std::string& directory, std::shared_ptr<KeyValueMemory> memory);
    /// Removes everything in `directory`.
    [[nodiscard]] static Result<void> destroy(const std::string& directory,
                                              const KeyValueMemory* memory = nullptr);

    KeyValueStore(const KeyValueStore&) = delete;
    KeyValueStore& operator=(const KeyValueStore&) = delete;
    KeyValueStore(KeyValueStore&&) = delete;
    KeyValueStore& operator=(KeyValueStore&&) = delete;
    ~KeyValueStore();

    [[nodiscard]] Result<void> write(KeyValueBatch batch, Durability durability);
    [[nodiscard]] Result<std::optional<std::string>> load(std::string_view key) const;

    /// Takes a key and a value; false ends the visit.
    using Visitor = std::function<bool(std::string_view, std::string_view)>;
    /// Calls `visit` for keys from `from` on that start with `prefix`, in order.
    [[nodiscard]] Result<void> visit(std::string_view prefix,
                                     std::string_view from,
                                     const Visitor& visit) const;
    /// The same from the last row that is not above `key` on, or from the first one.
    [[nodiscard]] Result<void> visit_around(std::string_view prefix,
                                            std::string_view key,
                                            const Visitor& visit) const;
    /// The rows that start with `prefix`, as they are now. **Requires** that it ends before the
    /// store does.
    [[nodiscard]] KeyValueCursor cursor(std::string prefix) const;

  private:
    KeyValueStore();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A number as a row's value.
[[nodiscard]] std::string format_number(std::uint64_t value);
/// The number of a row, 0 where there is none. Errors: corrupt, io.
[[nodiscard]] Result<std::uint64_t> load_number(const KeyValueStore& store, std::string_view key);

}  // namespace millrace::storage
