#include <algorithm>
#include <utility>

#include "tests/simulation/cluster/node_copy.hpp"
#include "tests/simulation/cluster/sim_node.hpp"

#include "storage/base/units.hpp"
#include "storage/copy/copy_install.hpp"
#include "storage/copy/copy_paths.hpp"
#include "storage/copy/shard_copy.hpp"
#include "storage/index/key_value.hpp"

// How a life of a node begins and ends.

namespace millrace::simulation::cluster {
namespace {

constexpr Duration copy_rest{500'000};
constexpr Duration failed_start_min{300'000};
constexpr Duration failed_start_max{2'000'000};
constexpr Duration healed_start_max{300'000};
constexpr std::uint64_t capacity_bytes = std::uint64_t{1} << 40U;

bool is_worth_another_try(Errc code) {
    return code == Errc::unavailable || code == Errc::connection_lost || code == Errc::timed_out ||
           code == Errc::corrupt || code == Errc::not_leader || code == Errc::conflict;
}

}  // namespace

SimNode::SimNode(Options options, Surroundings surroundings)
    : options_(std::move(options)),
      around_(std::move(surroundings)),
      sim_disk_(options_.disk_seed, capacity_bytes) {
    drop_index();
}

SimNode::~SimNode() {
    if (phase_ != Phase::down) {
        end(End::killed);
    }
}

void SimNode::drop_index() {
    index_ = options_.keeps_index ? std::make_shared<storage::KeyValueMemory>() : nullptr;
}

void SimNode::start() {
    if (phase_ != Phase::down) {
        return;
    }
    catch_up_clock();
    is_ending_ = false;
    is_over_ = std::make_shared<std::atomic<bool>>(false);
    disk_ = std::make_shared<NodeDisk>(
        NodeDisk::Wiring{.disk = sim_disk_, .clock = stage().clock(), .pace = pace_},
        stage().random().next());
    if (sim_disk_.exists(storage::CopyPaths(options_.directory).incoming_mark).value()) {
        drop_index();  // that of the shard which the copy replaces
    }
    auto done = std::exchange(is_pulled_, false) ? install() : Result<void>(ok());
    if (done) {
        done = storage::finish_install(*disk_, options_.directory);
    }
    if (!done) {
        fail_start(done.error());
    } else if (is_wanted_) {
        copy();
    } else {
        open();
    }
}

std::vector<NodeId> SimNode::others() const {
    std::vector<NodeId> others;
    others.reserve(options_.voters.size());
    for (const auto& voter : options_.voters) {
        if (voter.node != options_.id) {
            others.push_back(voter.node);
        }
    }
    return others;
}

Result<void> SimNode::pull(Asker self, const Terms& terms) {
    // The life may end before the copy does.
    const auto disk = disk_;
    const auto is_over = is_over_;
    LeaderSource source(around_, options_.id, {.others = others(), .asker = self, .terms = terms});
    return storage::copy_shard(*disk,
                               source,
                               {.directory = options_.directory,
                                .read_bytes_max = 64_KiB,
                                .on_progress = {},
                                .is_stopping = *is_over});
}

void SimNode::copy() {
    tell("looks for a leader to copy");
    phase_ = Phase::copying;
    const auto life = life_;
    auto copied = pull(Asker::has_forgotten, {});
    if (life != life_) {
        return;
    }
    if (copied) {
        copied = install();
    } else if (is_worth_another_try(copied.error().code)) {
        tell("has no copy yet: " + copied.error().text);
        later(copy_rest, [this] { copy(); });
        return;
    }
    if (!copied) {
        fail_start(copied.error());
        return;
    }
    is_wanted_ = false;
    open();
}

Result<void> SimNode::install() {
    drop_index();
    MILLRACE_TRY(storage::install_copy(*disk_, options_.directory));
    tell("is copied");
    is_damaged_ = false;
    damaged_.clear();
    ++copies_;
    ++mends_;
    return ok();
}

broker::ShardOptions SimNode::shard_options() {
    broker::ShardOptions options;
    options.node = options_.id;
    options.random_seed = stage().random().next();
    options.store.directory = options_.directory;
    options.store.segment_bytes = options_.segment_bytes;
    options.store.first_segment_bytes = options_.segment_bytes / 2;
    options.store.commit_bytes_max = 256_KiB;
    options.store.tail_cache_bytes_max = 512_KiB;
    options.store.disk_reserve_bytes = 64_KiB;
    options.store.index_in_memory = true;
    options.store.index_memory = index_;
    options.store.background_inline = true;
    options.store.is_replicated = true;
    options.cluster = broker::ShardCluster{.voters = options_.voters,
                                           .links = &around_.network.links_of(options_.id),
                                           .trailing_bytes_max = options_.memory_bytes};
    return options;
}

void SimNode::open() {
    phase_ = Phase::open;
    parts_ = std::make_unique<Parts>(clock_, *disk_, node_clock_);
    auto& parts = *parts_;
    parts.shard = broker::make_shard(shard_options(), parts.runtime, parts.metrics, parts.table);
    parts.table.shards = {parts.shard.get()};
    parts.delivery = broker::delivery::make_delivery_shard(*parts.shard, parts.deliveries);
    parts.deliveries.shards = {parts.delivery.get()};
    parts.shard->on_catalog([this](const broker::CatalogPtr&) {
        if (!is_ending_ && !std::exchange(takes_clients_, true)) {
            tell("serves");
        }
    });
    const auto opened = parts.shard->open();
    if (!opened) {
        if (opened.error().code == Errc::corrupt) {
            is_wanted_ = true;
            is_damaged_ = false;
        }
        fail_start(opened.error());
        return;
    }
    tell(parts.shard->is_new() ? "starts, new" : "starts");
    follow();
}

void SimNode::end(End how) {
    if (phase_ == Phase::open && how == End::graceful) {
        catch_up_clock();
        if (const auto stopped = parts_->shard->stop(); !stopped) {
            tell("did not stop cleanly: " + stopped.error().text);
        }
    }
    ++life_;
    phase_ = Phase::down;
    is_pulling_ = false;
    // Only the process knows.
    is_pulled_ = is_pulled_ && how == End::graceful;
    is_damaged_ = is_damaged_ && how == End::graceful;
    damaged_ = is_damaged_ ? std::move(damaged_) : std::vector<SegmentSequence>();
    takes_clients_ = false;
    handover_.reset();
    has_led_ = false;
    leader_ = {};
    standing_ = {};
    is_over_->store(true);
    around_.network.detach(options_.id);
    disk_->end();
    if (how == End::power) {
        sim_disk_.crash();
    } else {
        sim_disk_.drain();
    }
    if (parts_) {
        parts_->delivery.reset();
        parts_->shard.reset();
        parts_.reset();
    }
}

void SimNode::start_after(Duration delay) {
    later(delay, [this] { start(); });
}

void SimNode::fail_start(const Error& error) {
    tell("does not start: " + error.text);
    end(End::killed);
    start_after(stage().between(failed_start_min, failed_start_max));
}

void SimNode::lose_power(Duration down_for) {
    if (is_up()) {
        tell("loses power");
        end(End::power);
        start_after(down_for);
    }
}

void SimNode::kill(Duration down_for) {
    if (is_up()) {
        tell("is killed");
        end(End::killed);
        start_after(down_for);
    }
}

void SimNode::restart(Duration down_for) {
    if (is_up()) {
        tell("stops");
        end(End::graceful);
        start_after(down_for);
    }
}

void SimNode::lose_disk(Duration down_for) {
    tell("loses its disk");
    if (is_up()) {
        end(End::power);
    }
    for (const auto& path : sim_disk_.paths()) {
        (void)sim_disk_.remove(path);
    }
    drop_index();
    is_wanted_ = false;
    is_empty_ = true;
    start_after(down_for);
}

void SimNode::heal() {
    paused_until_ = stage().now();
    pace_ = {};
    sim_disk_.heal();
    sim_disk_.set_capacity(capacity_bytes);
    if (!is_up()) {
        start_after(stage().between(Duration(0), healed_start_max));
    }
}

}  // namespace millrace::simulation::cluster
