#pragma once

#include "broker/runtime/ring.hpp"
#include "storage/io/posix_disk.hpp"

namespace millrace::broker {

/// The daemon's disk: asynchronous operations through the shard's ring, the rest by plain calls.
class UringDisk final : public storage::PosixDisk {
  public:
    explicit UringDisk(Ring& ring) : ring_(ring) {}

    [[nodiscard]] Result<std::unique_ptr<storage::File>> open(const std::string& path,
                                                              storage::OpenMode mode) override;
    void register_buffer(std::span<std::byte> memory) override {
        ring_.tables().add_buffer(memory);
    }
    void unregister_buffer(std::span<std::byte> memory) override {
        ring_.tables().remove_buffer(memory);
    }
    std::size_t run_completions() override { return ring_.run_completions(); }
    void drain() override;

    [[nodiscard]] Ring& ring() { return ring_; }
    void operation_began() { ++outstanding_; }
    void operation_ended() { --outstanding_; }

  private:
    Ring& ring_;
    std::size_t outstanding_ = 0;
};

}  // namespace millrace::broker
