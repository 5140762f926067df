#include "broker/node.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "broker/cluster/cluster_desk.hpp"
#include "broker/cluster/member_keeper.hpp"
#include "broker/data_directory.hpp"
#include "broker/delivery/jobs/job_runner.hpp"
#include "broker/descriptor_limit.hpp"
#include "broker/gateways/http/http_door.hpp"
#include "broker/node_control.hpp"
#include "broker/node_copies.hpp"
#include "broker/node_greeting.hpp"
#include "broker/node_membership.hpp"
#include "broker/node_shards.hpp"
#include "broker/odoo_wiring/odoo_feed.hpp"
#include "broker/odoo_wiring/odoo_source.hpp"
#include "broker/part_options.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

constexpr const char* program_version = "0.1.0";

}  // namespace

struct Node::Impl {
    Impl(Config given, Left from_before) : config(std::move(given)), left(std::move(from_before)) {}

    Config config;
    Left left;                               ///< by the node before; by this one when it has ended
    std::optional<DataDirectory> directory;  ///< held until the last shard has ended
    NodeIdentity identity;
    SystemClock clock;
    MetricsRegistry metrics;
    boost::asio::io_context control{1};
    boost::asio::signal_set signals{control, SIGTERM, SIGINT};
    std::optional<NodeMembership> membership;
    std::unique_ptr<cluster::ClusterSeat> seat;
    std::unique_ptr<cluster::MemberKeeper> keeper;
    std::unique_ptr<NodeCopies> copies;  ///< null: this node stands alone
    std::unique_ptr<NodeShards> shards;
    std::unique_ptr<cluster::ClusterDesk> desk;  ///< null until the shards are open
    std::unique_ptr<http::HttpDoor> door;
    std::unique_ptr<OdooFeed> odoo;
    std::unique_ptr<OdooSource> odoo_source;
    std::unique_ptr<delivery::JobShards> job_shards;
    std::unique_ptr<delivery::JobThreads> job_threads = delivery::make_job_threads();
    std::unique_ptr<delivery::JobRunner> jobs;
    Endpoint native;
    std::uint16_t http_port = 0;
    std::size_t shards_ready = 0;
    std::atomic<bool> takes_clients{false};
    std::optional<Ending> ending;
    std::jthread stopping;  // joined before anything that it uses is dropped

    Result<void> prepare();
    Result<void> copy_shards();
    void forget_damage(const std::vector<ShardId>& copied);
    Result<void> start_shards();
    void note_ready();
    void make_desk();
    [[nodiscard]] std::optional<Error> refusal() const;
    /// Runs the control loop until every shard knows the catalog and may serve, or it has to end.
    void wait_for_shards();
    void take_seat();
    Result<void> listen_native();
    Result<void> make_door();
    /// Only once it can be answered, else a probe would hang while the shards recover.
    Result<void> listen_http();
    void serve();
    void start_jobs();
    /// Jobs and copies first: they need the shards.
    void stop_shards() const;
    void end(Ending how);
    /// One that leads hands its lead over first.
    void end_gracefully();
    [[nodiscard]] NodeGreeting greeting() const;
};

Result<void> Node::Impl::prepare() {
    set_log_level(log_level_of(config));
    MILLRACE_TRY(directory, DataDirectory::take(config.data_dir));
    const auto cores = std::max(1U, std::thread::hardware_concurrency());
    MILLRACE_TRY(
        identity,
        directory->identify(static_cast<std::uint32_t>(config.shards), cores, config.node_id));
    membership.emplace(control, *directory);
    MILLRACE_TRY(membership->find(config, identity));
    const auto connections =
        identity.shard_count * config.connections_max + config.http_connections_max;
    if (const auto shortage = find_descriptor_shortage(raise_descriptor_limit(), connections)) {
        log_warning("node", *shortage);
    }
    hear_stop(signals, [this] { end_gracefully(); });
    if (membership->is_alone()) {
        return ok();
    }
    copies = std::make_unique<NodeCopies>(
        membership->copies(config), control, [this](std::vector<ShardId> made) {
            left.pulled = std::move(made);
            end(Ending::restart);
        });
    return copy_shards();
}

void Node::Impl::forget_damage(const std::vector<ShardId>& copied) {
    std::erase_if(left.damaged, [&copied](const cluster::DamagedShard& damaged) {
        return std::ranges::find(copied, damaged.shard) != copied.end();
    });
}

/// Signals are heard meanwhile.
Result<void> Node::Impl::copy_shards() {
    Result<void> outcome = ok();
    forget_damage(left.pulled);
    copies->prepare(std::exchange(left.pulled, {}), [this, &outcome](Result<void> done) {
        outcome = std::move(done);
        control.stop();
    });
    run_control(control, metrics);
    copies->wait();
    control.restart();
    return ending ? Result<void>(ok()) : outcome;
}

std::optional<Error> Node::Impl::refusal() const {
    return takes_clients || !copies ? std::nullopt : std::optional(seat->refusal());
}

Result<void> Node::Impl::start_shards() {
    shards = std::make_unique<NodeShards>(NodeShards::Wiring{
        .config = config,
        .clock = clock,
        .metrics = metrics,
        .nodes = membership->nodes(),
        .record = membership->record(),
        .labels = membership->labels(),
        .on_ready = [this] { boost::asio::post(control, [this] { note_ready(); }); },
        .on_behind =
            [this](Shard& shard, NodeId leader) {
                copies->copy(shard);
                boost::asio::post(control, [this, leader] { seat->make_way(leader); });
            },
        .refusal = [this] { return refusal(); },
        .cluster = cluster_door_by(desk, seat),
        .version = program_version});
    auto started = shards->start(identity);
    make_desk();
    if (!started && copies && started.error().code == Errc::corrupt) {
        log_error("node", started.error().text + "; the shard is copied from its leader");
        MILLRACE_TRY(copies->ask_for(shards->failed_shard()));
        forget_damage({shards->failed_shard()});
        ending = Ending::restart;
        return ok();
    }
    return started;
}

void Node::Impl::note_ready() {
    if (++shards_ready == shards->hosts().size()) {
        control.stop();
    }
}

void Node::Impl::make_desk() {
    const NodeId self{identity.node_id};
    if (copies) {
        seat = std::make_unique<cluster::ClusterSeat>(control, self);
        keeper = std::make_unique<cluster::MemberKeeper>(
            control, shards->replica_links(), identity.shard_count);
    }
    desk = std::make_unique<cluster::ClusterDesk>(
        control,
        cluster::ClusterStatus(control, self, shards->replica_links()),
        seat.get(),
        keeper.get());
}

void Node::Impl::wait_for_shards() {
    if (ending) {
        return;
    }
    if (copies) {
        take_seat();
    }
    run_control(control, metrics);
    control.restart();
}

void Node::Impl::take_seat() {
    seat->watch(
        shards->replica_links(),
        left.damaged,
        {.on_lead =
             [this] {
                 auto& first = *shards->hosts().front();
                 first.runtime->post_from_outside([shard = first.shard.get()] { shard->serve(); });
             },
         .on_lost =
             [this] {
                 log_warning("node", "leads no more or has failed, and begins anew");
                 end(Ending::restart);
             },
         .on_damaged = [this](Shard& shard) { copies->renew(shard); }});
}

Result<void> Node::Impl::listen_native() {
    native = {.address = config.address, .port = static_cast<std::uint16_t>(config.port)};
    MILLRACE_TRY(native, shards->listen(native, !std::exchange(left.has_listened, true)));
    return ok();
}

Result<void> Node::Impl::make_door() {
    auto options = door_options_of(config, program_version);
    if (!config.hooks_file.empty()) {
        MILLRACE_TRY(options.hooks, http::load_hook_file(config.hooks_file));
    }
    if (copies) {
        options.refusal = [this] { return seat->http_refusal(); };
        options.cluster_status = [this](auto done) { desk->report_json(std::move(done)); };
        options.admission = admission_by(desk);
    }
    door = std::make_unique<http::HttpDoor>(control, std::move(options), metrics);
    return ok();
}

Result<void> Node::Impl::listen_http() {
    MILLRACE_TRY(http_port,
                 door->listen(config.http_address, static_cast<std::uint16_t>(config.http_port)));
    return ok();
}

void Node::Impl::serve() {
    const auto& next_id = shards->services().next_id;
    if (odoo) {
        odoo->start(shards->links<SubscriptionFeed::Link>(), next_id);
    }
    if (odoo_source) {
        odoo_source->start(shards->links<http::ShardLink>(), next_id);
    }
    start_jobs();
    if (keeper) {
        keeper->start([this] { desk->give_lead_away(); });
    }
    door->open(shards->links<http::ShardLink>(), next_id);
    takes_clients = true;
}

void Node::Impl::start_jobs() {
    job_shards = delivery::make_job_shards(shards->links<delivery::JobShardLink>());
    jobs = std::make_unique<delivery::JobRunner>(
        job_options_of(config), *job_shards, *job_threads, clock, metrics);
    auto& first = *shards->hosts().front();
    first.runtime->post_from_outside([this, delivery = first.delivery.get()] {
        delivery->jobs().watch([this](const delivery::Job& job) { jobs->see(job); });
    });
}

NodeGreeting Node::Impl::greeting() const {
    return {.version = program_version,
            .native = native,
            .http = {.address = config.http_address, .port = http_port},
            .data_dir = config.data_dir,
            .shard_count = shards->hosts().size()};
}

void Node::Impl::stop_shards() const {
    if (copies) {
        copies->stop();
    }
    if (jobs) {
        jobs->stop();
    }
    if (shards) {
        shards->stop();
    }
}

void Node::Impl::end(Ending how) {
    if (std::exchange(ending, ending.value_or(how))) {
        return;
    }
    if (copies) {
        copies->let_go();
    }
    if (seat) {
        seat->stop();
        left.damaged = seat->damaged();
    }
    if (keeper) {
        keeper->stop();
    }
    if (desk) {
        desk->close();
    }
    if (!takes_clients.exchange(false)) {
        control.stop();
        return;
    }
    door->stop();
    if (odoo) {
        odoo->stop();
    }
    if (odoo_source) {
        odoo_source->stop();
    }
    // Signals are still heard while the shards stop.
    stopping = std::jthread([this] {
        stop_shards();
        control.stop();
    });
}

void Node::Impl::end_gracefully() {
    if (!seat || !takes_clients || ending) {
        end(Ending::stop);
        return;
    }
    desk->leave_lead([this](const Result<void>& handed) {
        if (!handed) {
            log_warning("node", "stops while it leads: " + handed.error().text);
        }
        end(Ending::stop);
    });
}

Node::Node(Config config, Left left)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(left))) {
    for (const auto& kept : impl_->left.counters) {
        impl_->metrics.counter(kept.name, kept.help, kept.labels)
            .add(static_cast<std::uint64_t>(kept.value));
    }
}
Node::~Node() {
    impl_->stop_shards();
}

Node::Left Node::left() const {
    auto left = impl_->left;
    left.counters = kept_counters(impl_->metrics);
    return left;
}

Node::Ports Node::ports() const {
    return {.native = impl_->native.port, .http = impl_->http_port};
}

Result<Node::Ending> Node::run() {
    auto& self = *impl_;
    MILLRACE_TRY(self.prepare());
    if (self.ending) {
        return *self.ending;
    }
    MILLRACE_TRY(self.make_door());
    MILLRACE_TRY(self.odoo, OdooFeed::create(self.control, self.config, self.metrics));
    MILLRACE_TRY(self.odoo_source, OdooSource::create(self.control, self.config, self.metrics));
    MILLRACE_TRY(self.start_shards());
    if (self.copies && !self.ending) {
        // Clients that come here are told who leads, and probes that this node is well.
        MILLRACE_TRY(self.listen_native());
        MILLRACE_TRY(self.listen_http());
        const auto there = self.greeting();
        MILLRACE_TRY(self.shards->join(self.membership->addresses_of(there.native, there.http)));
        MILLRACE_TRY(self.greeting().write_ready_file(self.config.ready_file, "follows"));
    }
    self.wait_for_shards();
    if (self.ending) {
        self.door->stop();
        return *self.ending;
    }
    if (!self.copies) {
        // A client may come to any shard at once, and must find there what was made before.
        MILLRACE_TRY(self.listen_native());
        MILLRACE_TRY(self.listen_http());
    }
    self.serve();
    MILLRACE_TRY(self.greeting().write_ready_file(self.config.ready_file, "leads"));
    log_info("node", "serves");
    self.greeting().print_first_steps();
    run_control(self.control, self.metrics);
    log_info("node", "stopped");
    return self.ending.value_or(Ending::stop);
}

}  // namespace millrace::broker
