#include "broker/odoo_wiring/odoo_source.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/feed/subscription_feed.hpp"
#include "broker/gateways/http/records/publisher.hpp"
#include "broker/odoo/source/cursor_file.hpp"
#include "broker/odoo/source/read_back.hpp"
#include "broker/odoo/source/sweep.hpp"
#include "broker/odoo_wiring/odoo_settings.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t held_hints_of_a_shard_max = 2'000;

http::IncomingRecord record_of(std::optional<std::string> key,
                               std::string value,
                               std::string event_id) {
    http::IncomingRecord record;
    record.key = std::move(key);
    record.value = std::move(value);
    record.headers.emplace_back("content-type", "application/json");
    record.headers.emplace_back(wire::event_id_header, std::move(event_id));
    return record;
}

}  // namespace

struct OdooSource::Impl {
    Impl(asio::io_context& io,
         const Config& given,
         odoo::SourceFile source_file,
         MetricsRegistry& registry)
        : control(io),
          config(given),
          file(std::move(source_file)),
          metrics(registry, clock),
          gate(io, {}),
          publisher(gate, clock, config.record_batch_bytes_max),
          feed(io,
               {.subscription = file.hints.subscription,
                .consumer = "odoo-source",
                .credit = held_hints_of_a_shard_max},
               {.take = [this](const std::vector<FeedEvent>& events) { take(events); },
                .held = [this] { return held(); }}),
          read_timer(io),
          sweep_timer(io) {}

    asio::io_context& control;
    Config config;
    odoo::SourceFile file;
    SystemClock clock;
    odoo::SourceMetrics metrics;
    http::ShardGate gate;
    http::Publisher publisher;
    SubscriptionFeed feed;
    asio::steady_timer read_timer;
    asio::steady_timer sweep_timer;
    std::unique_ptr<odoo::Transport> transport;
    std::unique_ptr<odoo::CursorFile> cursor_file;
    std::unique_ptr<odoo::ReadBack> read_back;
    std::unique_ptr<odoo::Sweep> sweep;
    std::map<std::uint64_t, FeedRef> refs;  ///< of hints that are not settled
    std::uint64_t last_ticket = 0;
    bool is_stopped = false;

    Result<void> prepare();
    void take(const std::vector<FeedEvent>& events);
    [[nodiscard]] std::vector<FeedRef> held() const;
    void settle(std::uint64_t ticket, std::optional<delivery::Nack> nack);
    void publish_events(const std::string& topic,
                        std::vector<odoo::SourceEvent> events,
                        odoo::PublishDone done);
    void publish_hints(const std::vector<odoo::SweptHint>& hints,
                       std::function<void(Result<void>)> done);
    /// Runs `work` at that time, unless the timer is set anew before.
    void wake(asio::steady_timer& timer, SteadyTime at, std::function<void()> work);
};

Result<void> OdooSource::Impl::prepare() {
    MILLRACE_TRY(transport, make_odoo_transport(control, config));
    const auto path = config.data_dir + "/odoo-source.json";
    MILLRACE_TRY(auto cursors, odoo::CursorFile::load(path));
    cursor_file = std::make_unique<odoo::CursorFile>(path);
    read_back = std::make_unique<odoo::ReadBack>(
        file,
        odoo::ReadBackParts{
            .transport = *transport,
            .clock = clock,
            .metrics = metrics,
            .publish =
                [this](const std::string& topic,
                       std::vector<odoo::SourceEvent> events,
                       odoo::PublishDone done) {
                    publish_events(topic, std::move(events), std::move(done));
                },
            .settle = [this](
                          std::uint64_t ticket,
                          std::optional<delivery::Nack> nack) { settle(ticket, std::move(nack)); },
            .wake_at =
                [this](SteadyTime at) { wake(read_timer, at, [this] { read_back->run(); }); }});
    sweep = std::make_unique<odoo::Sweep>(
        file,
        std::move(cursors),
        odoo::SweepParts{
            .transport = *transport,
            .clock = clock,
            .metrics = metrics,
            .publish =
                [this](const std::vector<odoo::SweptHint>& hints,
                       std::function<void(Result<void>)> done) {
                    publish_hints(hints, std::move(done));
                },
            .save = [this](const odoo::SweepCursors& now) { cursor_file->save(now); },
            .wake_at = [this](SteadyTime at) { wake(sweep_timer, at, [this] { sweep->run(); }); }});
    return ok();
}

void OdooSource::Impl::take(const std::vector<FeedEvent>& events) {
    for (const auto& event : events) {
        const auto record = wire::parse_plain_record(event.record);
        if (!record) {
            feed.nack(event.ref, {.cause = delivery::Cause::poison, .error = record.error().text});
            continue;
        }
        refs[++last_ticket] = event.ref;
        read_back->accept(last_ticket, record.value().value);
    }
    read_back->run();
}

std::vector<FeedRef> OdooSource::Impl::held() const {
    std::vector<FeedRef> all;
    all.reserve(refs.size());
    for (const auto& [ticket, ref] : refs) {
        all.push_back(ref);
    }
    return all;
}

void OdooSource::Impl::settle(std::uint64_t ticket, std::optional<delivery::Nack> nack) {
    const auto ref = refs.extract(ticket).mapped();
    if (nack) {
        feed.nack(ref, std::move(*nack));
    } else {
        feed.ack(ref);
    }
}

void OdooSource::Impl::publish_events(const std::string& topic,
                                      std::vector<odoo::SourceEvent> events,
                                      odoo::PublishDone done) {
    http::ParsedRecords records;
    for (auto& event : events) {
        records.emplace_back(
            record_of(std::move(event.key), std::move(event.value), std::move(event.event_id)));
    }
    publisher.publish(
        topic,
        std::move(records),
        [done = std::move(done)](const std::vector<http::RecordOutcome>& published) {
            std::vector<odoo::EventOutcome> outcomes;
            outcomes.reserve(published.size());
            for (const auto& one : published) {
                outcomes.push_back({.error = one.error, .is_duplicate = one.is_duplicate});
            }
            done(std::move(outcomes));
        });
}

void OdooSource::Impl::publish_hints(const std::vector<odoo::SweptHint>& hints,
                                     std::function<void(Result<void>)> done) {
    http::ParsedRecords records;
    for (const auto& hint : hints) {
        records.emplace_back(record_of({}, hint.text, hint.event_id));
    }
    publisher.publish(
        file.hints.topic,
        std::move(records),
        [done = std::move(done)](const std::vector<http::RecordOutcome>& published) {
            const auto failed = std::ranges::find_if(
                published, [](const auto& one) { return one.error.has_value(); });
            done(failed == published.end() ? Result<void>(ok()) : Result<void>(*failed->error));
        });
}

void OdooSource::Impl::wake(asio::steady_timer& timer, SteadyTime at, std::function<void()> work) {
    timer.expires_after(at - clock.steady_now());
    timer.async_wait([this, work = std::move(work)](const boost::system::error_code& error) {
        if (!error && !is_stopped) {
            work();
        }
    });
}

Result<void> check_odoo_source(const Config& config) {
    if (config.odoo_source.empty()) {
        return ok();
    }
    asio::io_context context;
    MILLRACE_TRY(odoo::load_source_file(config.odoo_source));
    MILLRACE_TRY(make_odoo_transport(context, config));
    return ok();
}

Result<std::unique_ptr<OdooSource>> OdooSource::create(asio::io_context& control,
                                                       const Config& config,
                                                       MetricsRegistry& metrics) {
    if (config.odoo_source.empty()) {
        return std::unique_ptr<OdooSource>();
    }
    MILLRACE_TRY(auto file, odoo::load_source_file(config.odoo_source));
    auto impl = std::make_unique<Impl>(control, config, std::move(file), metrics);
    MILLRACE_TRY(impl->prepare());
    return std::unique_ptr<OdooSource>(new OdooSource(std::move(impl)));
}

OdooSource::OdooSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling a timer that exists does not fail
OdooSource::~OdooSource() {
    stop();
}

void OdooSource::start(std::vector<http::ShardLink> shards,
                       std::function<std::uint64_t()> next_id) {
    std::vector<SubscriptionFeed::Link> links;
    links.reserve(shards.size());
    for (const auto& one : shards) {
        links.push_back({.runtime = one.runtime, .shard = one.shard, .delivery = one.delivery});
    }
    impl_->gate.open(std::move(shards));
    impl_->feed.start(std::move(links), std::move(next_id));
    impl_->wake(impl_->sweep_timer, impl_->clock.steady_now(), [impl = impl_.get()] {
        impl->sweep->run();
    });
}

void OdooSource::stop() {
    if (std::exchange(impl_->is_stopped, true)) {
        return;
    }
    impl_->read_timer.cancel();
    impl_->sweep_timer.cancel();
    impl_->feed.stop();
    impl_->gate.close();
    impl_->transport->stop();
}

}  // namespace millrace::broker
