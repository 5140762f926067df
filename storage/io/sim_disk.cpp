#include "storage/io/sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "storage/base/assert.hpp"
#include "storage/io/sim_pages.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t sector_bytes = 512;

}  // namespace

struct SimDisk::Content {
    SimPages written;
    SimPages durable;
    /// Outside of it both are the same, and zero where durable has not grown yet.
    std::size_t unsynced_begin = SIZE_MAX;
    std::size_t unsynced_end = 0;

    void write(std::uint64_t at, std::span<const std::byte> bytes) {
        written.write(at, bytes);
        if (!bytes.empty()) {
            unsynced_begin = std::min<std::size_t>(unsynced_begin, at);
            unsynced_end = std::max<std::size_t>(unsynced_end, at + bytes.size());
        }
    }
    void cut(std::uint64_t bytes) {
        written.cut(bytes);
        durable.cut(bytes);
        unsynced_end = std::min<std::size_t>(unsynced_end, bytes);
        if (unsynced_begin >= unsynced_end) {
            all_is_synced();
        }
    }
    void make_durable(std::uint64_t at, std::size_t bytes) {
        durable.grow(written.size());
        const auto begin = std::max<std::size_t>(at, unsynced_begin);
        const auto end = std::min<std::size_t>(at + bytes, unsynced_end);
        if (begin >= end) {
            return;
        }
        durable.take(written, begin, end);
        if (begin == unsynced_begin) {
            unsynced_begin = end;
        } else if (end == unsynced_end) {
            unsynced_end = begin;
        }
        if (unsynced_begin >= unsynced_end) {
            all_is_synced();
        }
    }
    /// As a power loss leaves it: what differs is kept or lost by chance.
    void lose(Random& random) {
        durable.grow(written.size());
        for (auto at = unsynced_begin / sector_bytes * sector_bytes; at < unsynced_end;
             at += sector_bytes) {
            const auto end = std::min(at + sector_bytes, written.size());
            if (!written.differs(durable, at, end - at)) {
                continue;
            }
            if (random.chance(0.5)) {
                durable.take(written, at, end);
            } else {
                written.take(durable, at, end);
            }
        }
        all_is_synced();
    }
    void all_is_synced() {
        unsynced_begin = SIZE_MAX;
        unsynced_end = 0;
    }
};

struct SimDisk::Operation {
    std::shared_ptr<Content> content;
    std::uint64_t at = 0;
    std::span<const std::byte> source;
    std::span<std::byte> target;
    bool is_write = false;
    DiskDone done;
};

class SimFile final : public File {
  public:
    SimFile(SimDisk& disk, std::shared_ptr<SimDisk::Content> content)
        : disk_(disk), content_(std::move(content)) {}

    void write_durable(Position at, std::span<const std::byte> bytes, DiskDone done) override {
        // The bytes may reach the platter from now on; only the completion says that they have.
        content_->write(at.value, bytes);
        disk_.operations_.push_back({.content = content_,
                                     .at = at.value,
                                     .source = bytes,
                                     .target = {},
                                     .is_write = true,
                                     .done = std::move(done)});
    }
    void read(Position at, std::span<std::byte> out, DiskDone done) override {
        disk_.operations_.push_back({.content = content_,
                                     .at = at.value,
                                     .source = {},
                                     .target = out,
                                     .is_write = false,
                                     .done = std::move(done)});
    }
    Result<std::size_t> read_now(Position at, std::span<std::byte> out) override {
        if (at.value >= content_->written.size()) {
            return std::size_t{0};
        }
        const auto bytes = std::min<std::size_t>(out.size(), content_->written.size() - at.value);
        content_->written.read(at.value, out.first(bytes));
        return bytes;
    }
    Result<void> write_now(Position at, std::span<const std::byte> bytes) override {
        if (const int code = disk_.next_failure(); code != 0) {
            return fail(
                code == ENOSPC ? Errc::out_of_space : Errc::io, "simulated write failure", code);
        }
        const auto growth = at.value + bytes.size() > content_->written.size()
                                ? at.value + bytes.size() - content_->written.size()
                                : 0;
        if (disk_.used_bytes() + growth > disk_.capacity_bytes_) {
            return fail(Errc::out_of_space, "simulated disk is full", ENOSPC);
        }
        content_->write(at.value, bytes);
        return ok();
    }
    Result<void> sync_now() override {
        if (const int code = disk_.next_failure(); code != 0) {
            return fail(Errc::io, "simulated sync failure", code);
        }
        content_->make_durable(0, content_->written.size());
        return ok();
    }
    Result<std::uint64_t> size_bytes() override { return content_->written.size(); }

  private:
    SimDisk& disk_;
    std::shared_ptr<SimDisk::Content> content_;
};

SimDisk::SimDisk(std::uint64_t seed, std::uint64_t capacity_bytes)
    : random_(seed), capacity_bytes_(capacity_bytes) {}
SimDisk::~SimDisk() = default;

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
    auto found = files_.find(path);
    if (mode == OpenMode::create) {
        found = files_.insert_or_assign(path, std::make_shared<Content>()).first;
    } else if (found == files_.end()) {
        return fail(Errc::not_found, "no such file: " + path, ENOENT);
    }
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, found->second));
}

Result<void> SimDisk::make_directories(const std::string& /*path*/) {
    return ok();
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
    std::vector<std::string> names;
    const auto prefix = directory + "/";
    for (const auto& [path, content] : files_) {
        if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos) {
            names.push_back(path.substr(prefix.size()));
        }
    }
    return names;
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
    const auto found = files_.find(from);
    if (found == files_.end()) {
        return rename_directory(from, to);
    }
    files_[to] = found->second;
    files_.erase(from);
    return ok();
}

Result<void> SimDisk::rename_directory(const std::string& from, const std::string& to) {
    const auto found = paths_in(from);
    if (found.empty()) {
        return fail(Errc::not_found, "no such file: " + from, ENOENT);
    }
    if (!paths_in(to).empty()) {
        return fail(Errc::io, "directory is not empty: " + to, ENOTEMPTY);
    }
    for (const auto& path : found) {
        auto node = files_.extract(path);
        node.key() = to + path.substr(from.size());
        files_.insert(std::move(node));
    }
    return ok();
}

Result<void> SimDisk::remove(const std::string& path) {
    if (files_.erase(path) == 0) {
        return fail(Errc::not_found, "no such file: " + path, ENOENT);
    }
    return ok();
}

Result<void> SimDisk::truncate(const std::string& path, std::uint64_t bytes) {
    const auto found = files_.find(path);
    if (found == files_.end()) {
        return fail(Errc::not_found, "no such file: " + path, ENOENT);
    }
    found->second->cut(bytes);
    return ok();
}

Result<void> SimDisk::remove_directory(const std::string& path) {
    for (const auto& file : paths_in(path)) {
        files_.erase(file);
    }
    return ok();
}

Result<bool> SimDisk::exists(const std::string& path) {
    return files_.contains(path) || !paths_in(path).empty();
}

Result<void> SimDisk::sync_directory(const std::string& /*directory*/) {
    return ok();
}

Result<std::uint64_t> SimDisk::free_bytes(const std::string& /*path*/) {
    const auto used = used_bytes();
    return used >= capacity_bytes_ ? 0 : capacity_bytes_ - used;
}

std::int32_t SimDisk::end_write(const Operation& operation) {
    if (const int code = next_failure(); code != 0) {
        return -code;
    }
    if (!lies_) {
        operation.content->make_durable(operation.at, operation.source.size());
    }
    ++durable_writes_;
    return static_cast<std::int32_t>(operation.source.size());
}

std::int32_t SimDisk::end_read(const Operation& operation) {
    const auto& written = operation.content->written;
    const auto found = written.size() - std::min<std::size_t>(operation.at, written.size());
    const auto bytes = std::min(operation.target.size(), found);
    written.read(operation.at, operation.target.first(bytes));
    return static_cast<std::int32_t>(bytes);
}

std::size_t SimDisk::run_completions() {
    std::size_t count = 0;
    constexpr double rest_share = 0.6;
    std::size_t count_max = SIZE_MAX;
    if (is_slow_) {
        count_max = random_.chance(rest_share) ? 0 : 1;
    }
    while (!operations_.empty() && count < count_max) {
        // Completions may come in any order.
        const auto pick = static_cast<std::ptrdiff_t>(random_.below(operations_.size()));
        auto operation = std::move(operations_[static_cast<std::size_t>(pick)]);
        operations_.erase(operations_.begin() + pick);
        operation.done(operation.is_write ? end_write(operation) : end_read(operation));
        ++count;
    }
    return count;
}

void SimDisk::drain() {
    while (!operations_.empty()) {
        run_completions();
    }
}

void SimDisk::crash() {
    operations_.clear();
    for (auto& [path, content] : files_) {
        auto survivor = std::make_shared<Content>(*content);
        survivor->lose(random_);
        content = std::move(survivor);
    }
}

void SimDisk::fail_call(std::uint64_t number, int code, Failure failure) {
    failing_ = Failing{.at = calls_ + number, .code = code, .failure = failure};
}

int SimDisk::next_failure() {
    const auto call = calls_++;
    if (!failing_) {
        return 0;
    }
    const bool hits =
        failing_->failure == Failure::once ? call == failing_->at : call >= failing_->at;
    return hits ? failing_->code : 0;
}

std::uint64_t SimDisk::used_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [path, content] : files_) {
        total += content->written.size();
    }
    return total;
}

void SimDisk::flip_bit(const std::string& path, Position byte, unsigned bit) {
    const auto& content = files_.at(path);
    for (auto* bytes : {&content->written, &content->durable}) {
        MILLRACE_ASSERT(byte.value < bytes->size());
        std::byte flipped{};
        bytes->read(byte.value, {&flipped, 1});
        flipped ^= static_cast<std::byte>(1U << bit);
        bytes->write(byte.value, {&flipped, 1});
    }
}

std::vector<std::string> SimDisk::paths_in(const std::string& directory) const {
    std::vector<std::string> found;
    const auto prefix = directory + "/";
    for (auto at = files_.lower_bound(prefix); at != files_.end() && at->first.starts_with(prefix);
         ++at) {
        found.push_back(at->first);
    }
    return found;
}

std::vector<std::string> SimDisk::paths() const {
    std::vector<std::string> names;
    for (const auto& [path, content] : files_) {
        names.push_back(path);
    }
    return names;
}

std::vector<std::byte> SimDisk::contents(const std::string& path) const {
    return files_.at(path)->written.all();
}

std::vector<std::byte> SimDisk::durable_contents(const std::string& path) const {
    return files_.at(path)->durable.all();
}

}  // namespace millrace::storage
