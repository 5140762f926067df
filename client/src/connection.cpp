#include "client/src/connection.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

namespace millrace::client {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds watch_interval{100};
/// Before the next broker of several is tried.
constexpr std::chrono::milliseconds hop_rest{10};

bool is_not_leader(const wire::ErrorT& error) {
    return error.code == static_cast<std::uint16_t>(Errc::not_leader);
}

}  // namespace

Connection::Connection(asio::io_context& context, ClientOptions options)
    : context_(context),
      options_(std::move(options)),
      brokers_(options_.brokers),
      resolver_(context),
      socket_(context),
      retry_timer_(context),
      watch_timer_(context),
      backoff_(options_.backoff_min) {}

Connection::~Connection() = default;

std::string Connection::target() const {
    return brokers_.current().first + ":" + brokers_.current().second;
}

void Connection::request(std::function<std::vector<std::byte>(std::uint32_t)> frame_of,
                         std::chrono::milliseconds timeout,
                         OnAnswer on_answer) {
    const auto now = Clock::now();
    Waiting waiting{.frame_of = std::move(frame_of),
                    .pending = {.on_answer = std::move(on_answer), .deadline = now + timeout},
                    .connect_deadline = now + options_.connect_timeout};
    if (state_ == State::ready) {
        send(std::move(waiting));
        return;
    }
    if (state_ == State::closed) {
        waiting.pending.on_answer(fail(Errc::shutting_down, "the client is closed"));
        return;
    }
    waiting_.push_back(std::move(waiting));
    if (state_ == State::idle) {
        watch();
        connect();
    }
}

void Connection::on_connected(std::weak_ptr<void> owner, std::function<void()> handler) {
    std::erase_if(on_connected_, [](const Listener& one) { return one.owner.expired(); });
    on_connected_.push_back({.owner = std::move(owner), .handler = std::move(handler)});
}

void Connection::connect() {
    if (state_ == State::closed) {
        return;
    }
    state_ = State::connecting;
    // Shared, so that a request that waits for the first of several sees the others tried, too.
    attempt_deadline_ =
        Clock::now() + options_.connect_timeout / static_cast<std::int64_t>(brokers_.size());
    const auto generation = ++generation_;
    const auto& [host, port] = brokers_.current();
    resolver_.async_resolve(
        host, port, [this, generation](const auto& error, const auto& endpoints) {
            if (generation == generation_) {
                on_resolved(error, endpoints);
            }
        });
}

void Connection::on_resolved(const boost::system::error_code& error,
                             const Tcp::resolver::results_type& endpoints) {
    if (error) {
        lost(error.message());
        return;
    }
    socket_ = Tcp::socket(context_);
    asio::async_connect(
        socket_, endpoints, [this, generation = generation_](const auto& failure, const auto&) {
            if (generation != generation_) {
                return;
            }
            if (failure) {
                lost(failure.message());
                return;
            }
            socket_.set_option(Tcp::no_delay(true));
            greet();
        });
}

void Connection::greet() {
    state_ = State::greeting;
    reader_ = wire::FrameReader();
    outgoing_.push_front(wire::format_message(
        {.api = static_cast<std::uint16_t>(wire::Api::hello), .correlation = 0}, hello_request()));
    write();
    read();
}

wire::HelloRequestT Connection::hello_request() const {
    wire::HelloRequestT hello;
    hello.protocol_version_min = wire::protocol_version;
    hello.protocol_version_max = wire::protocol_version;
    hello.client_name = options_.client_name;
    hello.client_version = "0.1.0";
    hello.frame_bytes_max = static_cast<std::uint32_t>(wire::frame_bytes_max_default);
    hello.any_node = options_.any_node;
    return hello;
}

void Connection::on_hello(const wire::FrameView& frame) {
    auto answer = wire::parse_message<wire::HelloAnswer>(frame.table);
    if (answer && !answer.value().nodes.empty()) {
        brokers_.learn(answer.value().nodes, /*names_leader=*/answer.value().error != nullptr);
    }
    if (!answer || answer.value().error) {
        has_met_follower_ |= answer && is_not_leader(*answer.value().error);
        lost(answer ? answer.value().error->text : answer.error().text);
        return;
    }
    hello_ = std::move(answer).value();
    reader_.set_frame_bytes_max(
        std::max<std::size_t>(hello_.frame_bytes_max, wire::frame_bytes_max_default));
    state_ = State::ready;
    brokers_.keep_current();
    backoff_ = options_.backoff_min;
    tried_ = 0;
    attempt_deadline_.reset();
    const auto listeners = on_connected_;
    for (const auto& one : listeners) {
        if (const auto owner = one.owner.lock()) {
            one.handler();
        }
    }
    for (auto& waiting : std::exchange(waiting_, {})) {
        send(std::move(waiting));
    }
}

void Connection::send(Waiting waiting) {
    const auto correlation = ++last_correlation_;
    outgoing_.push_back(waiting.frame_of(correlation));
    pending_.emplace(correlation, std::move(waiting.pending));
    write();
}

void Connection::write() {
    if (!writing_.empty() || outgoing_.empty()) {
        return;
    }
    writing_.assign(std::make_move_iterator(outgoing_.begin()),
                    std::make_move_iterator(outgoing_.end()));
    outgoing_.clear();
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(writing_.size());
    for (const auto& frame : writing_) {
        buffers.emplace_back(frame.data(), frame.size());
    }
    asio::async_write(
        socket_, buffers, [this, generation = generation_](const auto& error, std::size_t) {
            if (generation != generation_) {
                return;
            }
            writing_.clear();
            if (error) {
                lost(error.message());
                return;
            }
            write();
        });
}

void Connection::read() {
    const auto room = reader_.prepare();
    socket_.async_read_some(
        asio::buffer(room.data(), room.size()),
        [this, generation = generation_](const auto& error, std::size_t bytes) {
            if (generation != generation_) {
                return;
            }
            if (error) {
                lost(error == asio::error::eof ? "closed by the broker" : error.message());
                return;
            }
            last_received_ = Clock::now();
            const auto read_on = reader_.commit(
                bytes, [this](const wire::FrameView& frame) { return handle(frame); });
            if (generation != generation_) {
                return;
            }
            if (!read_on) {
                lost(read_on.error().text);
                return;
            }
            read();
        });
}

bool Connection::handle(const wire::FrameView& frame) {
    const auto generation = generation_;
    if (state_ == State::greeting) {
        on_hello(frame);
    } else if ((frame.header.flags & wire::FrameHeader::flag_push) != 0) {
        if (on_push_) {
            on_push_(frame);
        }
    } else if (auto node = pending_.extract(frame.header.correlation); !node.empty()) {
        node.mapped().on_answer(&frame);
    } else if (const auto done = wire::parse_message<wire::Done>(frame.table);
               frame.header.api == 0 && done && done.value().error) {
        lost(done.value().error->text);
    }
    return generation == generation_;
}

void Connection::lost(const std::string& why) {
    last_error_ = why;
    ++generation_;
    boost::system::error_code ignored;
    socket_.close(ignored);
    outgoing_.clear();
    writing_.clear();
    attempt_deadline_.reset();
    if (state_ == State::closed) {
        return;
    }
    state_ = State::connecting;
    brokers_.advance();
    const auto rest = rest_before_next();
    for (auto& [correlation, pending] : std::exchange(pending_, {})) {
        pending.on_answer(fail(Errc::connection_lost, "connection to the broker lost: " + why));
    }
    retry_timer_.expires_after(rest);
    retry_timer_.async_wait([this, generation = generation_](const auto& error) {
        if (!error && generation == generation_) {
            connect();
        }
    });
}

/// The others are tried at once; the rest comes when all have been. Where one of them follows, the
/// next leader is only an election away.
std::chrono::milliseconds Connection::rest_before_next() {
    ++tried_;
    if (tried_ % brokers_.size() != 0) {
        return hop_rest;
    }
    if (std::exchange(has_met_follower_, false)) {
        return options_.backoff_min;
    }
    return std::exchange(backoff_, std::min(backoff_ * 2, options_.backoff_max));
}

std::vector<OnAnswer> Connection::take_late(Clock::time_point now) {
    std::vector<OnAnswer> late;
    for (auto at = pending_.begin(); at != pending_.end();) {
        if (at->second.deadline < now) {
            late.push_back(std::move(at->second.on_answer));
            at = pending_.erase(at);
        } else {
            ++at;
        }
    }
    return late;
}

void Connection::look_at_attempt(Clock::time_point now) {
    if (attempt_deadline_ && *attempt_deadline_ < now) {
        resolver_.cancel();
        lost(target() + (state_ == State::greeting ? " does not greet" : " does not answer"));
    }
}

/// A broker that is gone without a word is noticed by asking for one.
void Connection::look_at_silence(Clock::time_point now) {
    const auto patience = options_.silence_max / 2;
    if (state_ != State::ready || is_probing_ || now - last_received_ < patience) {
        return;
    }
    is_probing_ = true;
    request(
        [this](std::uint32_t correlation) {
            return wire::format_message(
                {.api = static_cast<std::uint16_t>(wire::Api::hello), .correlation = correlation},
                hello_request());
        },
        patience,
        [this, now](const Result<const wire::FrameView*>& answer) { end_probe(answer, now); });
}

void Connection::end_probe(const Result<const wire::FrameView*>& answer, Clock::time_point sent) {
    is_probing_ = false;
    const bool is_late = !answer && answer.error().code == Errc::timed_out;
    if (is_late && state_ == State::ready && last_received_ <= sent) {
        lost("nothing was heard of " + target() + " for " +
             std::to_string(options_.silence_max.count()) + " ms");
    }
}

void Connection::watch() {
    watch_timer_.expires_after(watch_interval);
    watch_timer_.async_wait([this](const auto& error) {
        // A timer that had run out when `close` cancelled it comes without an error.
        if (error || state_ == State::closed) {
            return;
        }
        const auto now = Clock::now();
        look_at_attempt(now);
        const auto late = take_late(now);
        std::deque<Waiting> unsent;
        for (auto& waiting : std::exchange(waiting_, {})) {
            (waiting.connect_deadline < now ? unsent : waiting_).push_back(std::move(waiting));
        }
        for (const auto& on_answer : late) {
            on_answer(fail(Errc::timed_out, "no answer from the broker in time"));
        }
        for (const auto& waiting : unsent) {
            waiting.pending.on_answer(fail(Errc::connection_lost,
                                           "no broker at " + options_.brokers +
                                               (last_error_.empty() ? "" : ": " + last_error_)));
        }
        look_at_silence(now);
        watch();
    });
}

void Connection::close() {
    if (state_ == State::closed) {
        return;
    }
    lost("the client is closed");
    state_ = State::closed;
    ++generation_;
    retry_timer_.cancel();
    watch_timer_.cancel();
    for (const auto& waiting : std::exchange(waiting_, {})) {
        waiting.pending.on_answer(fail(Errc::shutting_down, "the client is closed"));
    }
}

}  // namespace millrace::client
