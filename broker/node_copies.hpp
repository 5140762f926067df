#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "broker/cluster/shard_copies.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

/// The copies of one node's shards, each made by a thread of its own while the control thread goes
/// on.
///
/// Threads:  the control thread; `copy` those of the shards, `stop` any.
class NodeCopies {
  public:
    /// `on_ready`, on the control thread: the node has to begin anew with these copies, or to make
    /// those that it has asked for.
    NodeCopies(cluster::ShardCopies copies,
               boost::asio::io_context& control,
               std::function<void(std::vector<ShardId> pulled)> on_ready)
        : copies_(std::move(copies)), control_(control), on_ready_(std::move(on_ready)) {}
    NodeCopies(const NodeCopies&) = delete;
    NodeCopies& operator=(const NodeCopies&) = delete;
    NodeCopies(NodeCopies&&) = delete;
    NodeCopies& operator=(NodeCopies&&) = delete;
    ~NodeCopies() { stop(); }

    /// Before the shards open; `done` comes on the control thread.
    void prepare(std::vector<ShardId> pulled, std::function<void(Result<void>)> done);
    void wait();
    /// A shard lacks what its leader has forgotten; it tells again until it has been copied.
    void copy(Shard& shard);
    /// A shard that another node leads has a log that does not verify: repairs what can be, a
    /// segment at a time, else has the shard copied. Threads: the control thread.
    void renew(Shard& shard);
    /// As ShardCopies::ask_for.
    [[nodiscard]] Result<void> ask_for(ShardId shard) const { return copies_.ask_for(shard); }
    /// Nothing is begun any more, and what is under way ends soon.
    void let_go() { is_stopping_ = true; }
    /// Before the shards end.
    void stop();

  private:
    void copy_beside(Shard& shard);
    /// On the shard's thread.
    void install_later(Shard& shard, const cluster::ReplicaMark& mark);
    /// What came while it was copied; the shard takes part in nothing any more. On its thread.
    void copy_remainder(Shard& shard);
    /// On the shard's thread; beside its work.
    void repair(Shard& shard, std::shared_ptr<const storage::RepairTask> task);
    /// On the thread of copies.
    void repair_now(Shard& shard, const std::shared_ptr<const storage::RepairTask>& task);
    void start_thread(std::function<void()> work);
    /// `done` on the shard's thread; `failed` on that of the copy.
    void pull(Shard& shard,
              const cluster::ReplicaMark& mark,
              std::function<void()> done,
              std::function<void()> failed);
    /// On the thread of the copy.
    void pull_now(Shard& shard,
                  const cluster::ReplicaMark& mark,
                  const std::function<void()>& done,
                  const std::function<void()>& failed);
    void begin_anew(std::vector<ShardId> pulled);

    cluster::ShardCopies copies_;
    boost::asio::io_context& control_;
    std::function<void(std::vector<ShardId>)> on_ready_;
    std::atomic<bool> is_stopping_{false};
    std::atomic<bool> is_pulling_{false};
    std::jthread thread_;
};

}  // namespace millrace::broker
