#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/io/sim_disk.hpp"

namespace millrace::storage::testing {

/// A simulated disk whose power goes at a chosen call of those that change something, names
/// included. That call is done in part, later ones are refused; then it is time for
/// `SimDisk::crash`. Names that were changed before are there afterwards, in any case.
class PowerCut final : public Disk {
  public:
    /// So many calls go through.
    PowerCut(SimDisk& disk, std::uint64_t calls) : disk_(disk), calls_left_(calls) {}

    [[nodiscard]] bool is_off() const { return is_off_; }
    void cut() { is_off_ = true; }

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
    std::size_t run_completions() override { return disk_.run_completions(); }
    void drain() override { disk_.drain(); }

  private:
    friend class PowerCutFile;
    enum class Power : std::uint8_t { on, goes, off };
    /// For a call that changes something.
    [[nodiscard]] Power spend();

    SimDisk& disk_;
    std::uint64_t calls_left_;
    bool is_off_ = false;
};

}  // namespace millrace::storage::testing
