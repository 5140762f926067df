#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "broker/cluster/cluster_seat.hpp"
#include "broker/config/config.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// One broker process: shards with their threads, the control thread, listeners.
///
/// Promise:  `run` returns after a graceful stop: nothing accepted is left undurable, and the next
/// start has nothing to apply. Threads:  the main thread; it becomes the control thread. Failure:
/// a shard whose disk fails stops taking writes; the process goes on and /healthz says why. In a
/// cluster the node follows another until it leads, and ends to begin anew when it no longer does.
class Node {
  public:
    enum class Ending : std::uint8_t {
        stop,     ///< it was told to
        restart,  ///< what it held in memory does not count any more: make another node
    };
    /// Of its shards, for the node that begins in its place.
    struct Left {
        std::vector<ShardId> pulled;  ///< have whole copies, to be put in their places
        std::vector<cluster::DamagedShard> damaged;
        std::vector<MetricSample> counters;  ///< that are to count on
        bool has_listened = false;           ///< so that the native port is this process's own
    };
    Node(Config config, Left left);
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    Node(Node&&) = delete;
    Node& operator=(Node&&) = delete;
    ~Node();

    /// Serves until SIGTERM or SIGINT, or until it has to begin anew. Errors: locked, newer_format,
    /// configuration, io.
    [[nodiscard]] Result<Ending> run();
    /// After `run`.
    [[nodiscard]] Left left() const;
    /// Where it listened; 0: it did not come to that.
    struct Ports {
        std::uint16_t native = 0;
        std::uint16_t http = 0;
    };
    [[nodiscard]] Ports ports() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
