#include "tests/simulation/cluster/node_disk.hpp"

#include <utility>

namespace millrace::simulation::cluster {
namespace {

Error over() {
    return fail(Errc::io, "the node is down");
}

}  // namespace

void NodeDisk::State::begin_operation() {
    if (outstanding++ == 0) {
        const auto range = static_cast<std::uint64_t>((pace.max - pace.min).count());
        const auto takes = pace.min + Duration(static_cast<Duration::rep>(random.below(range + 1)));
        done_at = clock.steady_now() + takes;
    }
}

class NodeDisk::PacedFile final : public storage::File {
  public:
    PacedFile(std::unique_ptr<storage::File> file, std::shared_ptr<State> state)
        : file_(std::move(file)), state_(std::move(state)) {}

    void write_durable(Position at,
                       std::span<const std::byte> bytes,
                       storage::DiskDone done) override {
        if (!state_->is_over) {
            state_->begin_operation();
            file_->write_durable(at, bytes, ending(std::move(done)));
        }
    }
    void read(Position at, std::span<std::byte> out, storage::DiskDone done) override {
        if (!state_->is_over) {
            state_->begin_operation();
            file_->read(at, out, ending(std::move(done)));
        }
    }
    Result<std::size_t> read_now(Position at, std::span<std::byte> out) override {
        return state_->is_over ? Result<std::size_t>(over()) : file_->read_now(at, out);
    }
    Result<void> write_now(Position at, std::span<const std::byte> bytes) override {
        return state_->is_over ? Result<void>(over()) : file_->write_now(at, bytes);
    }
    Result<void> sync_now() override {
        return state_->is_over ? Result<void>(over()) : file_->sync_now();
    }
    Result<std::uint64_t> size_bytes() override {
        return state_->is_over ? Result<std::uint64_t>(over()) : file_->size_bytes();
    }

  private:
    [[nodiscard]] storage::DiskDone ending(storage::DiskDone done) const {
        return [state = state_, done = std::move(done)](std::int32_t result) {
            --state->outstanding;
            if (!state->is_over) {
                done(result);
            }
        };
    }

    std::unique_ptr<storage::File> file_;
    std::shared_ptr<State> state_;
};

NodeDisk::NodeDisk(const Wiring& wiring, std::uint64_t seed)
    : disk_(wiring.disk), state_(std::make_shared<State>(wiring, seed)) {}

std::optional<SteadyTime> NodeDisk::next_completion() const {
    return state_->outstanding == 0 ? std::nullopt : std::optional(state_->done_at);
}

Result<void> NodeDisk::check() const {
    return state_->is_over ? Result<void>(over()) : Result<void>(ok());
}

Result<std::unique_ptr<storage::File>> NodeDisk::open(const std::string& path,
                                                      storage::OpenMode mode) {
    MILLRACE_TRY(check());
    MILLRACE_TRY(auto file, disk_.open(path, mode));
    return std::unique_ptr<storage::File>(std::make_unique<PacedFile>(std::move(file), state_));
}

Result<void> NodeDisk::make_directories(const std::string& path) {
    MILLRACE_TRY(check());
    return disk_.make_directories(path);
}

Result<std::vector<std::string>> NodeDisk::list(const std::string& directory) {
    MILLRACE_TRY(check());
    return disk_.list(directory);
}

Result<void> NodeDisk::rename(const std::string& from, const std::string& to) {
    MILLRACE_TRY(check());
    return disk_.rename(from, to);
}

Result<void> NodeDisk::remove(const std::string& path) {
    MILLRACE_TRY(check());
    return disk_.remove(path);
}

Result<void> NodeDisk::truncate(const std::string& path, std::uint64_t bytes) {
    MILLRACE_TRY(check());
    return disk_.truncate(path, bytes);
}

Result<void> NodeDisk::remove_directory(const std::string& path) {
    MILLRACE_TRY(check());
    return disk_.remove_directory(path);
}

Result<bool> NodeDisk::exists(const std::string& path) {
    MILLRACE_TRY(check());
    return disk_.exists(path);
}

Result<void> NodeDisk::sync_directory(const std::string& directory) {
    MILLRACE_TRY(check());
    return disk_.sync_directory(directory);
}

Result<std::uint64_t> NodeDisk::free_bytes(const std::string& path) {
    MILLRACE_TRY(check());
    return disk_.free_bytes(path);
}

std::size_t NodeDisk::run_completions() {
    const bool is_due = state_->clock.steady_now() >= state_->done_at;
    return state_->is_over || !is_due ? 0 : disk_.run_completions();
}

void NodeDisk::drain() {
    if (!state_->is_over) {
        disk_.drain();
    }
}

}  // namespace millrace::simulation::cluster
