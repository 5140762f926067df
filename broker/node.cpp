#include "broker/node.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <nlohmann/json.hpp>
#include <pthread.h>
#include <unistd.h>

#include "broker/data_directory.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/job_runner.hpp"
#include "broker/descriptor_limit.hpp"
#include "broker/gateways/http/http_door.hpp"
#include "broker/node_control.hpp"
#include "broker/odoo_feed.hpp"
#include "broker/odoo_source.hpp"
#include "broker/part_options.hpp"
#include "broker/protocol/server.hpp"
#include "broker/runtime/thread_turns.hpp"
#include "broker/runtime/uring_runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

constexpr const char* program_version = "0.1.0";

/// One shard with its thread. Everything in it is made, used and dropped on that thread.
struct ShardHost {
    std::unique_ptr<UringRuntime> runtime;
    std::unique_ptr<Shard> shard;
    std::unique_ptr<delivery::DeliveryShard> delivery;
    std::unique_ptr<protocol::Server> server;
    std::promise<Result<void>> made;    ///< runtime and shard exist
    std::promise<Result<void>> opened;  ///< recovery is over
    std::promise<void> ready;           ///< has its first view of the catalog
    std::promise<void> may_drop;        ///< nobody outside calls the runtime any more
    std::thread thread;
};

LogLevel level_of(const std::string& name) {
    return name == "debug"     ? LogLevel::debug
           : name == "warning" ? LogLevel::warning
           : name == "error"   ? LogLevel::error
                               : LogLevel::info;
}

void end_at_once(const boost::system::error_code& error, int /*signal*/) {
    if (!error) {
        std::_Exit(1);
    }
}

}  // namespace

struct Node::Impl {
    explicit Impl(Config given) : config(std::move(given)) {}

    Config config;
    std::optional<DataDirectory> directory;  ///< held until the last shard has ended
    SystemClock clock;
    MetricsRegistry metrics;
    std::unique_ptr<ShardMesh> mesh;
    ShardTable shard_table;
    delivery::DeliveryTable delivery_table;
    protocol::ServiceTable services;
    std::vector<std::unique_ptr<ShardHost>> hosts;
    std::promise<void> all_made;
    std::shared_future<void> all_made_future = all_made.get_future().share();
    std::promise<bool> may_serve;  ///< false: another shard could not open
    std::shared_future<bool> may_serve_future = may_serve.get_future().share();
    std::atomic<std::uint64_t> last_id{0};
    boost::asio::io_context control{1};
    std::unique_ptr<http::HttpDoor> door;
    std::unique_ptr<OdooFeed> odoo;
    std::unique_ptr<OdooSource> odoo_source;
    std::unique_ptr<delivery::JobShards> job_shards;
    std::unique_ptr<delivery::JobThreads> job_threads = delivery::make_job_threads();
    std::unique_ptr<delivery::JobRunner> jobs;
    Endpoint native;
    std::uint16_t http_port = 0;

    void run_shard(ShardHost& host, ShardId id, const NodeIdentity& identity);
    /// The shards share one port; the first may pick it.
    Result<void> listen_everywhere();
    Result<void> start_shards(const NodeIdentity& identity);
    Result<void> make_door();
    /// Only once it can be answered, else a probe would hang while the shards recover.
    Result<void> listen_http();
    [[nodiscard]] std::vector<http::ShardLink> http_links() const;
    void open_door() const;
    /// The shards as others outside reach them.
    template <class Link>
    [[nodiscard]] std::vector<Link> links() const {
        std::vector<Link> made;
        for (const auto& host : hosts) {
            made.push_back({host->runtime.get(), host->shard.get(), host->delivery.get()});
        }
        return made;
    }
    void start_odoo() const;
    void start_jobs();
    /// Jobs first: their calls need the shards.
    void stop_shards();
    [[nodiscard]] Result<void> write_ready_file() const;
    void print_first_steps() const;
};

void Node::Impl::run_shard(ShardHost& host, ShardId id, const NodeIdentity& identity) {
    (void)::pthread_setname_np(::pthread_self(), ("shard-" + std::to_string(id.value)).c_str());
    ask_for_short_turns();
    RuntimeOptions runtime_options{.shard = id, .connections_max = config.connections_max};
    auto runtime = UringRuntime::create(runtime_options, clock, metrics, *mesh);
    if (!runtime) {
        host.made.set_value(runtime.error());
        return;
    }
    host.runtime = std::move(runtime).value();
    host.shard =
        make_shard(shard_options_of(config, id, identity), *host.runtime, metrics, shard_table);
    host.delivery =
        delivery::make_delivery_shard(*host.shard, delivery_table, delivery_options_of(config));
    host.server =
        std::make_unique<protocol::Server>(services, *host.shard, session_limits_of(config));
    host.shard->on_catalog([&host, is_first = true](const CatalogPtr&) mutable {
        if (std::exchange(is_first, false)) {
            host.ready.set_value();
        }
    });
    host.made.set_value(ok());
    all_made_future.wait();
    auto opened = host.shard->open();
    const bool is_open = opened.has_value();
    host.opened.set_value(std::move(opened));
    if (is_open && may_serve_future.get()) {
        host.runtime->run();
        if (const auto stopped = host.shard->stop(); !stopped) {
            log_error("shard " + std::to_string(id.value),
                      "did not stop cleanly: " + stopped.error().text);
        }
    }
    host.may_drop.get_future().wait();
    host.server.reset();
    host.delivery.reset();
    host.shard.reset();
    host.runtime.reset();
}

Result<void> Node::Impl::start_shards(const NodeIdentity& identity) {
    mesh = std::make_unique<ShardMesh>(identity.shard_count, metrics);
    services.version = program_version;
    services.started_steady_us =
        static_cast<std::uint64_t>(clock.steady_now().time_since_epoch().count());
    // Ids must not come again after a restart: the time in microseconds is ahead of every id given
    // before.
    last_id = static_cast<std::uint64_t>(clock.unix_now());
    services.next_id = [this] { return ++last_id; };
    for (ShardId id{0}; id.value < identity.shard_count; ++id) {
        hosts.push_back(std::make_unique<ShardHost>());
        auto& host = *hosts.back();
        host.thread = std::thread([this, &host, id, identity] { run_shard(host, id, identity); });
    }
    Result<void> outcome = ok();
    for (const auto& host : hosts) {
        if (auto made = host->made.get_future().get(); !made && outcome) {
            outcome = made;
        }
    }
    if (!outcome) {
        // Those that were made wait; they must be let go before the process can end.
        std::fprintf(stderr, "millraced: %s\n", outcome.error().text.c_str());
        std::_Exit(1);
    }
    for (const auto& host : hosts) {
        shard_table.shards.push_back(host->shard.get());
        delivery_table.shards.push_back(host->delivery.get());
        services.shards.push_back({.shard = host->shard.get(),
                                   .delivery = host->delivery.get(),
                                   .waiters = &host->server->waiters(),
                                   .sessions = &host->server->metrics()});
    }
    all_made.set_value();
    for (const auto& host : hosts) {
        if (auto opened = host->opened.get_future().get(); !opened && outcome) {
            outcome = opened;
        }
    }
    may_serve.set_value(outcome.has_value());
    if (!outcome) {
        return outcome;
    }
    return listen_everywhere();
}

Result<void> Node::Impl::listen_everywhere() {
    // A client may come to any shard at once, and must find there what was made before.
    for (const auto& host : hosts) {
        host->ready.get_future().wait();
    }
    native = {.address = config.address, .port = static_cast<std::uint16_t>(config.port)};
    for (const auto& host : hosts) {
        std::promise<Result<Endpoint>> listening;
        host->runtime->post_from_outside([this, &listening, server = host->server.get()] {
            listening.set_value(server->listen(native));
        });
        MILLRACE_TRY(native, listening.get_future().get());
    }
    return ok();
}

Result<void> Node::Impl::make_door() {
    auto options = door_options_of(config, program_version);
    if (!config.hooks_file.empty()) {
        MILLRACE_TRY(options.hooks, http::load_hook_file(config.hooks_file));
    }
    door = std::make_unique<http::HttpDoor>(control, std::move(options), metrics);
    return ok();
}

Result<void> Node::Impl::listen_http() {
    MILLRACE_TRY(http_port,
                 door->listen(config.http_address, static_cast<std::uint16_t>(config.http_port)));
    return ok();
}

std::vector<http::ShardLink> Node::Impl::http_links() const {
    std::vector<http::ShardLink> shards;
    for (const auto& host : hosts) {
        shards.push_back({.runtime = host->runtime.get(),
                          .shard = host->shard.get(),
                          .delivery = host->delivery.get(),
                          .waiters = &host->server->waiters()});
    }
    return shards;
}

void Node::Impl::open_door() const {
    door->open(http_links(), services.next_id);
}

void Node::Impl::start_odoo() const {
    if (odoo) {
        odoo->start(links<SubscriptionFeed::Link>(), services.next_id);
    }
    if (odoo_source) {
        odoo_source->start(http_links(), services.next_id);
    }
}

void Node::Impl::start_jobs() {
    job_shards = delivery::make_job_shards(links<delivery::JobShardLink>());
    const delivery::JobRunner::Options options{
        .jobs_running_max = config.jobs_running_max,
        .read_bytes_per_second = config.replay_read_bytes_per_second};
    jobs =
        std::make_unique<delivery::JobRunner>(options, *job_shards, *job_threads, clock, metrics);
    hosts.front()->runtime->post_from_outside([this] {
        hosts.front()->delivery->jobs().watch([this](const delivery::Job& job) { jobs->see(job); });
    });
}

Result<void> Node::Impl::write_ready_file() const {
    if (config.ready_file.empty()) {
        return ok();
    }
    const nlohmann::json json{{"native", native.address + ":" + std::to_string(native.port)},
                              {"http", config.http_address + ":" + std::to_string(http_port)},
                              {"pid", ::getpid()}};
    const auto temporary = config.ready_file + ".new";
    std::ofstream(temporary) << json.dump() << '\n';
    std::error_code code;
    std::filesystem::rename(temporary, config.ready_file, code);
    if (code) {
        return fail(Errc::configuration,
                    "ready_file: cannot write " + config.ready_file + ": " + code.message());
    }
    return ok();
}

void Node::Impl::print_first_steps() const {
    const auto address = native.address + ":" + std::to_string(native.port);
    std::cout << "millraced " << program_version << " serves on " << address << ", HTTP on http://"
              << config.http_address << ":" << http_port << "\ndata in "
              << std::filesystem::absolute(config.data_dir).lexically_normal().string() << ", "
              << hosts.size() << " shard(s)\n\nFirst steps:\n"
              << "  millrace --brokers " << address
              << " topic create plant1.mes.workorder.finished --partitions 4\n"
              << "  echo '{\"order\":\"WO-1\"}' | millrace --brokers " << address
              << " publish plant1.mes.workorder.finished\n"
              << "  millrace --brokers " << address
              << " consume plant1.mes.workorder.finished --from beginning\n"
              << std::flush;
}

void Node::Impl::stop_shards() {
    if (jobs) {
        jobs->stop();
    }
    for (const auto& host : hosts) {
        if (host->thread.joinable() && host->runtime) {
            host->runtime->stop();
        }
    }
    for (const auto& host : hosts) {
        if (host->thread.joinable()) {
            host->may_drop.set_value();
            host->thread.join();
        }
    }
}

Node::Node(Config config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Node::~Node() {
    impl_->stop_shards();
}

Result<void> Node::run() {
    auto& self = *impl_;
    set_log_level(level_of(self.config.log_level));
    MILLRACE_TRY(self.directory, DataDirectory::take(self.config.data_dir));
    const auto cores = std::max(1U, std::thread::hardware_concurrency());
    MILLRACE_TRY(const auto identity,
                 self.directory->identify(static_cast<std::uint32_t>(self.config.shards), cores));
    const auto connections =
        identity.shard_count * self.config.connections_max + self.config.http_connections_max;
    if (const auto shortage = find_descriptor_shortage(raise_descriptor_limit(), connections)) {
        log_warning("node", *shortage);
    }
    boost::asio::signal_set signals(self.control, SIGTERM, SIGINT);
    MILLRACE_TRY(self.make_door());
    MILLRACE_TRY(self.odoo, OdooFeed::create(self.control, self.config, self.metrics));
    MILLRACE_TRY(self.odoo_source, OdooSource::create(self.control, self.config, self.metrics));
    MILLRACE_TRY(self.start_shards(identity));
    MILLRACE_TRY(self.listen_http());
    self.start_odoo();
    self.start_jobs();
    self.open_door();
    MILLRACE_TRY(self.write_ready_file());
    self.print_first_steps();
    std::jthread stopping;  // joined before anything that it uses is dropped
    signals.async_wait([&self, &signals, &stopping](const boost::system::error_code&, int) {
        log_info("node", "stopping; a second signal ends at once");
        signals.async_wait(end_at_once);
        self.door->stop();
        if (self.odoo) {
            self.odoo->stop();
        }
        if (self.odoo_source) {
            self.odoo_source->stop();
        }
        // Signals are still heard while the shards stop.
        stopping = std::jthread([&self] {
            self.stop_shards();
            self.control.stop();
        });
    });
    run_control(self.control, self.metrics);
    log_info("node", "stopped");
    return ok();
}

}  // namespace millrace::broker
