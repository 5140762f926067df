#include "broker/protocol/session.hpp"

#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker::protocol {

SessionMetrics::SessionMetrics(MetricsRegistry& metrics, ShardId shard)
    : requests(metrics.counter(
          "millrace_requests_total", "Requests of the native protocol.", shard_label(shard))),
      refused_frames(metrics.counter("millrace_frames_refused_total",
                                     "Connections closed because their bytes were not frames.",
                                     shard_label(shard))),
      timed_out(metrics.counter(
          "millrace_sessions_timed_out_total",
          "Connections closed because hello or the rest of a frame did not come in time.",
          shard_label(shard))),
      records_out(metrics.counter("millrace_records_out_total",
                                  "Records handed to clients by fetch, replay and delivery.",
                                  shard_label(shard))) {}

std::unique_ptr<wire::ErrorT> to_wire(const Error& error) {
    auto made = std::make_unique<wire::ErrorT>();
    made->code = static_cast<std::uint16_t>(error.code);
    made->retryable = is_retryable(error.code);
    made->text = error.text;
    return made;
}

Session::Session(Wiring wiring, std::shared_ptr<Connection> connection)
    : wiring_(std::move(wiring)),
      connection_(std::move(connection)),
      reader_(wiring_.limits.frame_bytes_max) {}

Session::~Session() = default;

void Session::start() {
    watch_for_drip();
}

void Session::watch_for_drip() {
    // Looks once per period: hello must have come, and a frame that has begun must have ended or
    // grown into another.
    watch_ = services().shard->runtime().run_after(
        wiring_.limits.hello_timeout, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self || self->is_closed_) {
                return;
            }
            const bool is_stuck = self->reader_.is_inside_frame() && !self->made_progress_;
            if (!self->is_greeted_ || is_stuck) {
                self->wiring_.metrics.timed_out.add();
                self->fail_stream(
                    fail(Errc::timed_out,
                         self->is_greeted_ ? "a frame did not end in time" : "no hello in time"));
                return;
            }
            self->made_progress_ = false;
            self->watch_for_drip();
        });
}

void Session::on_bytes(std::span<const std::byte> bytes) {
    const auto self = shared_from_this();
    const auto fed =
        reader_.feed(bytes, [this](const wire::FrameView& frame) { return handle(frame); });
    if (!fed && !is_closed_) {
        wiring_.metrics.refused_frames.add();
        fail_stream(fed.error());
    }
}

bool Session::handle(const wire::FrameView& frame) {
    made_progress_ = true;
    wiring_.metrics.requests.add();
    ++outstanding_;
    const Request request{.session = shared_from_this(),
                          .header = frame.header,
                          .table = frame.table,
                          .raw = frame.raw};
    const bool is_hello = frame.header.api == static_cast<std::uint16_t>(wire::Api::hello);
    if (!is_greeted_ && !is_hello) {
        fail_stream(fail(Errc::malformed, "the first request on a connection is hello"));
        return false;
    }
    if ((frame.header.flags & (wire::FrameHeader::flag_answer | wire::FrameHeader::flag_push)) !=
        0) {
        fail_stream(fail(Errc::malformed, "a request has neither the answer nor the push flag"));
        return false;
    }
    if (const auto refused = refusal_of(frame.header.api)) {
        request.refuse(*refused);
    } else if (!dispatch(request)) {
        request.refuse(
            fail(Errc::unknown_api,
                 "api " + std::to_string(frame.header.api) + " is not known to this broker"));
    }
    regulate();
    return !is_closed_;
}

/// A guest may have the rest once this node leads.
std::optional<Error> Session::refusal_of(std::uint16_t api) const {
    const auto asked = static_cast<wire::Api>(api);
    const bool is_open = !is_guest_ || asked == wire::Api::hello ||
                         asked == wire::Api::cluster_status || asked == wire::Api::cluster_transfer;
    return is_open || !wiring_.table.refusal ? std::nullopt : wiring_.table.refusal();
}

wire::FrameHeader Session::answer_header(const wire::FrameHeader& request) {
    return {.api = request.api,
            .version = request.version,
            .correlation = request.correlation,
            .flags = wire::FrameHeader::flag_answer};
}

void Session::answer_frame(std::vector<std::byte> frame, std::vector<SharedBytes> raw) {
    if (is_closed_) {
        return;
    }
    --outstanding_;
    connection_->send(std::move(frame));
    for (auto& piece : raw) {
        connection_->send(std::move(piece));
    }
    regulate();
}

void Session::push(std::vector<std::byte> frame) {
    if (!is_closed_) {
        connection_->send(std::move(frame));
    }
}

void Session::refuse(const wire::FrameHeader& request, const Error& error) {
    wire::DoneT done;
    done.error = to_wire(error);
    answer(request, done);
}

void Session::regulate() {
    const bool is_full =
        outstanding_ >= wiring_.limits.requests_outstanding_max ||
        publish_bytes_outstanding_ >= wiring_.limits.publish_bytes_outstanding_max ||
        connection_->unsent_bytes() > wiring_.limits.unsent_bytes_max;
    if (is_full != is_paused_) {
        is_paused_ = is_full;
        if (is_full) {
            connection_->pause_reading();
        } else {
            connection_->resume_reading();
        }
    }
}

void Session::on_writable() {
    regulate();
}

void Session::fail_stream(const Error& error) {
    wire::DoneT done;
    done.error = to_wire(error);
    connection_->send(
        wire::format_message({.api = 0, .flags = wire::FrameHeader::flag_answer}, done));
    is_closed_ = true;
    connection_->close(error);
}

void Session::on_closed(const Error& /*reason*/) {
    const auto self = shared_from_this();
    is_closed_ = true;
    services().shard->runtime().cancel(watch_);
    end_deliveries(*this);
    wiring_.on_gone(*this);
}

}  // namespace millrace::broker::protocol
