#include "broker/node_copies.hpp"

#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "broker/runtime/runtime.hpp"
#include "storage/base/logging.hpp"
#include "storage/io/posix_disk.hpp"

namespace millrace::broker {
namespace {

std::string name_of(const Shard& shard) {
    return "shard " + std::to_string(shard.id().value);
}

}  // namespace

void NodeCopies::prepare(std::vector<ShardId> pulled, std::function<void(Result<void>)> done) {
    thread_ = std::jthread([this, pulled = std::move(pulled), done = std::move(done)] {
        storage::PosixDisk disk;
        auto outcome = copies_.run(disk, pulled, is_stopping_);
        boost::asio::post(control_, [done, outcome] { done(outcome); });
    });
}

void NodeCopies::wait() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void NodeCopies::stop() {
    let_go();
    wait();
}

void NodeCopies::copy(Shard& shard) {
    if (!shard.is_new()) {
        copy_beside(shard);
        return;
    }
    if (const auto asked = copies_.ask_for(shard.id()); !asked) {
        log_error("node", asked.error().text);
        return;
    }
    boost::asio::post(control_, [this] { on_ready_({}); });
}

/// The shard goes on to vote: if two of three were copied and did not, nobody could lead, and none
/// be copied.
void NodeCopies::copy_beside(Shard& shard) {
    if (is_pulling_.exchange(true)) {
        return;
    }
    boost::asio::post(control_, [this, &shard, mark = cluster::mark_of(shard)] {
        if (is_stopping_) {
            return;
        }
        thread_ = std::jthread([this, &shard, mark] { pull(shard, mark); });
    });
}

void NodeCopies::pull(Shard& shard, const cluster::ReplicaMark& mark) {
    storage::PosixDisk disk;
    const auto copied = copies_.pull(disk, shard.id(), mark.terms, is_stopping_);
    if (!copied) {
        log_warning(name_of(shard), "the copy waits: " + copied.error().text);
        is_pulling_ = false;
        return;
    }
    shard.runtime().post_from_outside([this, &shard, mark] { install_later(shard, mark); });
}

void NodeCopies::install_later(Shard& shard, const cluster::ReplicaMark& mark) {
    if (cluster::mark_of(shard) != mark) {
        log_info(name_of(shard), "took part in its groups while it was copied; the copy goes on");
        is_pulling_ = false;
        return;
    }
    shard.leave();
    boost::asio::post(control_, [this, id = shard.id()] { on_ready_({id}); });
}

}  // namespace millrace::broker
