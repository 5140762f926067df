#pragma once

#include <memory>

#include "broker/config/config.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// One broker process: shards with their threads, the control thread, listeners.
///
/// Promise:  `run` returns after a graceful stop: nothing accepted is left undurable, and the next
/// start has nothing to apply. Threads:  the main thread; it becomes the control thread. Failure:
/// a shard whose disk fails stops taking writes; the process goes on and /healthz says why.
class Node {
  public:
    explicit Node(Config config);
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    Node(Node&&) = delete;
    Node& operator=(Node&&) = delete;
    ~Node();

    /// Serves until SIGTERM or SIGINT. Errors: locked, newer_format, configuration, io.
    [[nodiscard]] Result<void> run();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
