#include "storage/index/key_value.hpp"

#include <cstdarg>
#include <memory>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "storage/base/bytes.hpp"
#include "storage/base/units.hpp"

namespace millrace::storage {
namespace {

constexpr int background_jobs = 2;
constexpr int write_buffers = 3;
constexpr double bloom_bits = 10;

rocksdb::Slice slice(std::string_view text) {
    return {text.data(), text.size()};
}

std::string_view text(const rocksdb::Slice& bytes) {
    return {bytes.data(), bytes.size()};
}

Result<void> checked(const rocksdb::Status& status, std::string_view verb) {
    if (!status.ok()) {
        return fail(status.IsNoSpace() ? Errc::out_of_space : Errc::io,
                    "index: cannot " + std::string(verb) + ": " + status.ToString());
    }
    return ok();
}

rocksdb::Options make_options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 16_MiB;
    options.max_write_buffer_number = write_buffers;
    options.compaction_style = rocksdb::kCompactionStyleUniversal;
    options.compression = rocksdb::kNoCompression;
    options.max_background_jobs = background_jobs;
    options.keep_log_file_num = 2;
    options.max_open_files = 256;
    rocksdb::BlockBasedTableOptions table;
    table.block_size = 16_KiB;
    table.block_cache = rocksdb::NewLRUCache(64_MiB);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(bloom_bits));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

/// RocksDB tells of all its options whenever it opens.
class SilentLogger final : public rocksdb::Logger {
  public:
    SilentLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
    using rocksdb::Logger::Logv;
    void Logv(const char* /*format*/, va_list /*values*/) override {}
};

/// Of rows in memory nobody reads what RocksDB logs, or its statistics.
void spare_effort(rocksdb::Options& options) {
    options.info_log = std::make_shared<SilentLogger>();
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.avoid_flush_during_shutdown = true;
}

Result<void> visit_rows(rocksdb::Iterator& at,
                        std::string_view prefix,
                        const KeyValueStore::Visitor& visit) {
    while (at.Valid() && text(at.key()).starts_with(prefix) &&
           visit(text(at.key()), text(at.value()))) {
        at.Next();
    }
    return checked(at.status(), "iterate");
}

}  // namespace

struct KeyValueBatch::Impl {
    rocksdb::WriteBatch batch;
};
KeyValueBatch::KeyValueBatch() : impl_(std::make_unique<Impl>()) {}
KeyValueBatch::KeyValueBatch(KeyValueBatch&&) noexcept = default;
KeyValueBatch& KeyValueBatch::operator=(KeyValueBatch&&) noexcept = default;
KeyValueBatch::~KeyValueBatch() = default;

void KeyValueBatch::put(std::string_view key, std::string_view value) {
    impl_->batch.Put(slice(key), slice(value));
}
void KeyValueBatch::erase(std::string_view key) {
    impl_->batch.Delete(slice(key));
}

struct KeyValueCursor::Impl {
    std::string prefix;
    std::unique_ptr<rocksdb::Iterator> at;
    bool has_begun = false;
};
KeyValueCursor::KeyValueCursor() : impl_(std::make_unique<Impl>()) {}
KeyValueCursor::KeyValueCursor(KeyValueCursor&&) noexcept = default;
KeyValueCursor& KeyValueCursor::operator=(KeyValueCursor&&) noexcept = default;
KeyValueCursor::~KeyValueCursor() = default;

Result<std::optional<KeyValueCursor::Row>> KeyValueCursor::next() {
    auto& at = *impl_->at;
    if (!std::exchange(impl_->has_begun, true)) {
        at.Seek(slice(impl_->prefix));
    } else if (at.Valid()) {
        at.Next();
    }
    MILLRACE_TRY(checked(at.status(), "iterate"));
    if (!at.Valid() || !text(at.key()).starts_with(impl_->prefix)) {
        return std::optional<Row>{};
    }
    return std::optional(Row{.key = text(at.key()), .value = text(at.value())});
}

struct KeyValueMemory::Impl {
    std::unique_ptr<rocksdb::Env> files{rocksdb::NewMemEnv(rocksdb::Env::Default())};
};
KeyValueMemory::KeyValueMemory() : impl_(std::make_unique<Impl>()) {}
KeyValueMemory::~KeyValueMemory() = default;

struct KeyValueStore::Impl {
    std::shared_ptr<KeyValueMemory> memory;  ///< outlives the database
    std::unique_ptr<rocksdb::DB> database;
};
KeyValueStore::KeyValueStore() : impl_(std::make_unique<Impl>()) {}
KeyValueStore::~KeyValueStore() = default;

Result<std::unique_ptr<KeyValueStore>> KeyValueStore::open(const std::string& directory,
                                                           std::shared_ptr<KeyValueMemory> memory) {
    std::unique_ptr<KeyValueStore> store(new KeyValueStore());
    auto options = make_options();
    if (memory != nullptr) {
        options.env = memory->impl_->files.get();
        spare_effort(options);
    }
    store->impl_->memory = std::move(memory);
    rocksdb::DB* opened = nullptr;
    MILLRACE_TRY(checked(rocksdb::DB::Open(options, directory, &opened), "open " + directory));
    store->impl_->database.reset(opened);
    return store;
}

Result<void> KeyValueStore::destroy(const std::string& directory, const KeyValueMemory* memory) {
    rocksdb::Options options;
    if (memory != nullptr) {
        options.env = memory->impl_->files.get();
    }
    return checked(rocksdb::DestroyDB(directory, options), "remove " + directory);
}

Result<void> KeyValueStore::write(KeyValueBatch batch, Durability durability) {
    rocksdb::WriteOptions options;
    options.sync = durability == Durability::now;
    return checked(impl_->database->Write(options, &batch.impl_->batch), "write");
}

Result<std::optional<std::string>> KeyValueStore::load(std::string_view key) const {
    std::string value;
    const auto status = impl_->database->Get(rocksdb::ReadOptions(), slice(key), &value);
    if (status.IsNotFound()) {
        return std::optional<std::string>{};
    }
    MILLRACE_TRY(checked(status, "read"));
    return std::optional(std::move(value));
}

Result<void> KeyValueStore::visit(std::string_view prefix,
                                  std::string_view from,
                                  const Visitor& visit) const {
    const std::unique_ptr<rocksdb::Iterator> at(
        impl_->database->NewIterator(rocksdb::ReadOptions()));
    at->Seek(slice(from < prefix ? prefix : from));
    return visit_rows(*at, prefix, visit);
}

Result<void> KeyValueStore::visit_around(std::string_view prefix,
                                         std::string_view key,
                                         const Visitor& visit) const {
    const std::unique_ptr<rocksdb::Iterator> at(
        impl_->database->NewIterator(rocksdb::ReadOptions()));
    at->SeekForPrev(slice(key));
    if (!at->Valid() || !text(at->key()).starts_with(prefix)) {
        MILLRACE_TRY(checked(at->status(), "seek"));
        at->Seek(slice(prefix));
    }
    return visit_rows(*at, prefix, visit);
}

KeyValueCursor KeyValueStore::cursor(std::string prefix) const {
    KeyValueCursor cursor;
    cursor.impl_->prefix = std::move(prefix);
    cursor.impl_->at.reset(impl_->database->NewIterator(rocksdb::ReadOptions()));
    return cursor;
}

std::string format_number(std::uint64_t value) {
    std::string text(sizeof(value), '\0');
    store_le(std::as_writable_bytes(std::span(text)), value);
    return text;
}

Result<std::uint64_t> load_number(const KeyValueStore& store, std::string_view key) {
    MILLRACE_TRY(const auto value, store.load(key));
    if (!value) {
        return std::uint64_t{0};
    }
    if (value->size() != sizeof(std::uint64_t)) {
        return fail(Errc::corrupt,
                    "index: " + std::string(key) + " is not a number; start with --rebuild-index");
    }
    return load_le<std::uint64_t>(std::as_bytes(std::span(*value)));
}

}  // namespace millrace::storage
