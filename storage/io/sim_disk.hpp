#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/base/random.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// A disk in memory for tests, driven by a seed: keeps what was written apart from what is durable,
/// and can lose, tear, flip and refuse.
///
/// Promise:  the same calls with the same seed give the same outcome. Contents outlive the files,
/// so a test can crash, and open again. Threads:  one.
class SimDisk final : public Disk {
  public:
    explicit SimDisk(std::uint64_t seed, std::uint64_t capacity_bytes = std::uint64_t{1} << 40U);
    SimDisk(const SimDisk&) = delete;
    SimDisk& operator=(const SimDisk&) = delete;
    SimDisk(SimDisk&&) = delete;
    SimDisk& operator=(SimDisk&&) = delete;
    ~SimDisk() override;

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path,
                                                     OpenMode mode) override;
    [[nodiscard]] Result<void> make_directories(const std::string& path) override;
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override;
    [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
    [[nodiscard]] Result<void> remove(const std::string& path) override;
    [[nodiscard]] Result<void> truncate(const std::string& path, std::uint64_t bytes) override;
    [[nodiscard]] Result<void> remove_directory(const std::string& path) override;
    [[nodiscard]] Result<bool> exists(const std::string& path) override;
    [[nodiscard]] Result<void> sync_directory(const std::string& directory) override;
    [[nodiscard]] Result<std::uint64_t> free_bytes(const std::string& path) override;
    std::size_t run_completions() override;
    void drain() override;

    /// Power loss: outstanding operations never complete; each 512-byte sector that was written and
    /// is not durable is kept or lost by chance. Files that are open are dead afterwards.
    void crash();
    /// The `number`th call from now that writes or syncs fails with `code`, and with it every later
    /// one when `and_later`.
    enum class Failure : std::uint8_t { once, for_good };
    void fail_call(std::uint64_t number, int code, Failure failure);
    void heal() { failing_.reset(); }
    /// Calls that write or sync so far.
    [[nodiscard]] std::uint64_t call_count() const { return calls_; }
    /// Asynchronous writes that completed as durable so far.
    [[nodiscard]] std::uint64_t durable_writes() const { return durable_writes_; }
    /// From now on those complete as ever, and their bytes would not survive a power loss.
    void lie() { lies_ = true; }
    /// From now on a call of `run_completions` runs one at most, and often none, so that several
    /// operations are outstanding and end in any order.
    void slow_down() { is_slow_ = true; }
    void flip_bit(const std::string& path, Position byte, unsigned bit);
    void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
    [[nodiscard]] std::vector<std::string> paths() const;
    [[nodiscard]] std::vector<std::byte> contents(const std::string& path) const;
    /// What of it would survive a power loss at this moment, whatever chance does.
    [[nodiscard]] std::vector<std::byte> durable_contents(const std::string& path) const;

  private:
    friend class SimFile;
    struct Content;
    struct Operation;
    [[nodiscard]] std::int32_t end_write(const Operation& operation);
    [[nodiscard]] static std::int32_t end_read(const Operation& operation);
    [[nodiscard]] int next_failure();
    [[nodiscard]] std::uint64_t used_bytes() const;
    [[nodiscard]] std::vector<std::string> paths_in(const std::string& directory) const;
    [[nodiscard]] Result<void> rename_directory(const std::string& from, const std::string& to);

    Random random_;
    std::uint64_t capacity_bytes_;
    std::map<std::string, std::shared_ptr<Content>> files_;
    std::deque<Operation> operations_;
    std::uint64_t calls_ = 0;
    std::uint64_t durable_writes_ = 0;
    bool lies_ = false;
    bool is_slow_ = false;
    struct Failing {
        std::uint64_t at = 0;
        int code = 0;
        Failure failure = Failure::once;
    };
    std::optional<Failing> failing_;
};

}  // namespace millrace::storage
