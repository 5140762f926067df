#include "broker/node_copies.hpp"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "broker/runtime/runtime.hpp"
#include "storage/base/logging.hpp"
#include "storage/io/posix_disk.hpp"

namespace millrace::broker {
namespace {

constexpr std::chrono::milliseconds renew_rest{500};

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
    begin_anew({});
}

void NodeCopies::pull(Shard& shard,
                      const cluster::ReplicaMark& mark,
                      std::function<void()> done,
                      std::function<void()> failed) {
    start_thread([this, &shard, mark, done = std::move(done), failed = std::move(failed)] {
        pull_now(shard, mark, done, failed);
    });
}

/// The one before has nothing left to do but to end.
void NodeCopies::start_thread(std::function<void()> work) {
    boost::asio::post(control_, [this, work = std::move(work)] {
        if (!is_stopping_) {
            thread_ = std::jthread(work);
        }
    });
}

void NodeCopies::pull_now(Shard& shard,
                          const cluster::ReplicaMark& mark,
                          const std::function<void()>& done,
                          const std::function<void()>& failed) {
    storage::PosixDisk disk;
    const auto copied = copies_.pull(disk, shard.id(), mark.terms, is_stopping_);
    if (copied) {
        shard.runtime().post_from_outside(done);
        return;
    }
    log_warning(name_of(shard), "the copy waits: " + copied.error().text);
    failed();
}

void NodeCopies::begin_anew(std::vector<ShardId> pulled) {
    boost::asio::post(control_, [this, pulled = std::move(pulled)] { on_ready_(pulled); });
}

/// The shard goes on to vote: if two of three were copied and did not, nobody could lead, and none
/// be copied.
void NodeCopies::copy_beside(Shard& shard) {
    if (is_pulling_.exchange(true)) {
        return;
    }
    const auto mark = cluster::mark_of(shard);
    pull(
        shard,
        mark,
        [this, &shard, mark] { install_later(shard, mark); },
        [this] { is_pulling_ = false; });
}

void NodeCopies::install_later(Shard& shard, const cluster::ReplicaMark& mark) {
    if (cluster::mark_of(shard) != mark) {
        copy_remainder(shard);
        return;
    }
    shard.leave();
    begin_anew({shard.id()});
}

void NodeCopies::renew(Shard& shard) {
    if (is_pulling_.exchange(true)) {
        return;
    }
    shard.runtime().post_from_outside([this, &shard] {
        auto task = shard.store().begin_repair();
        if (task && task.value()) {
            repair(shard, std::move(task).value());
            return;
        }
        if (task) {
            is_pulling_ = false;  // it was recycled, or is repaired
            return;
        }
        log_warning(name_of(shard), task.error().text + "; all of the shard is copied");
        pull(
            shard,
            cluster::mark_of(shard),
            [this, &shard] { copy_remainder(shard); },
            [this] {
                std::this_thread::sleep_for(renew_rest);
                is_pulling_ = false;
            });
    });
}

void NodeCopies::repair(Shard& shard, std::shared_ptr<const storage::RepairTask> task) {
    start_thread([this, &shard, task = std::move(task)] { repair_now(shard, task); });
}

void NodeCopies::repair_now(Shard& shard, const std::shared_ptr<const storage::RepairTask>& task) {
    storage::PosixDisk disk;
    const auto outcome = copies_.repair(disk, shard.id(), *task, is_stopping_);
    if (!outcome) {
        std::this_thread::sleep_for(renew_rest);
    }
    shard.runtime().post_from_outside([this, &shard, task, outcome] {
        shard.store().end_repair(*task, outcome);
        is_pulling_ = false;
    });
}

/// A replica that lacks little, or nothing, takes part all the time. So most is copied while it
/// does, and the rest when it has said its last word: a leader whose term is no older has all of
/// what it said. Without that remainder it goes on with what it has.
void NodeCopies::copy_remainder(Shard& shard) {
    if (shard.standing().leads_some) {
        is_pulling_ = false;
        return;
    }
    const auto mark = cluster::mark_of(shard);
    shard.leave();
    pull(
        shard, mark, [this, id = shard.id()] { begin_anew({id}); }, [this] { begin_anew({}); });
}

}  // namespace millrace::broker
