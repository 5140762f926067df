#pragma once

#include <memory>
#include <optional>

#include "storage/base/clock.hpp"
#include "storage/base/random.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::simulation::cluster {

/// The way to a node's simulated disk for one life of the node: operations take time, and none
/// comes through once the life has ended.
class NodeDisk final : public storage::Disk {
  public:
    /// How long operations take; those that are outstanding together end together.
    struct Pace {
        Duration min{50};
        Duration max{1'000};
    };
    struct Wiring {
        storage::SimDisk& disk;
        const Clock& clock;  ///< the world's
        const Pace& pace;    ///< may change
    };
    NodeDisk(const Wiring& wiring, std::uint64_t seed);

    /// Whatever is still asked of it fails or never ends.
    void end() { state_->is_over = true; }
    /// When something that is outstanding ends.
    [[nodiscard]] std::optional<SteadyTime> next_completion() const;

    [[nodiscard]] Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                                              storage::OpenMode mode) override;
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

  private:
    class PacedFile;
    /// Shared with files and operations, which may outlive the disk.
    struct State {
        State(const Wiring& wiring, std::uint64_t seed)
            : clock(wiring.clock), pace(wiring.pace), random(seed) {}
        const Clock& clock;
        const Pace& pace;
        Random random;
        bool is_over = false;
        std::size_t outstanding = 0;
        SteadyTime done_at{};

        void begin_operation();
    };
    [[nodiscard]] Result<void> check() const;

    storage::SimDisk& disk_;
    std::shared_ptr<State> state_;
};

}  // namespace millrace::simulation::cluster
