#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/runtime/runtime.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// What a node says of itself once it can be reached.
struct NodeGreeting {
    std::string version;
    Endpoint native;
    Endpoint http;
    std::string data_dir;
    std::size_t shard_count = 1;

    /// Replaces the file at once, so that who waits for it reads it whole. Nothing where `path` is
    /// empty. Errors: configuration.
    [[nodiscard]] Result<void> write_ready_file(const std::string& path, const char* role) const;
    void print_first_steps() const;
};

}  // namespace millrace::broker
