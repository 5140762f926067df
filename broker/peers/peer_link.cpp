#include "broker/peers/peer_link.hpp"

#include <utility>

namespace millrace::broker::peers {
namespace {

constexpr Duration hello_timeout{3'000'000};

}  // namespace

PeerLink::PeerLink(Runtime& runtime,
                   std::shared_ptr<Connection> connection,
                   const PeerHello& own_hello,
                   const Compression& compression,
                   Handlers handlers)
    : runtime_(runtime),
      connection_(std::move(connection)),
      handlers_(std::move(handlers)),
      compression_(compression) {
    connection_->send(format_hello(own_hello));
    hello_timer_ = runtime_.run_after(hello_timeout,
                                      [this] { close(fail(Errc::timed_out, "no hello in time")); });
}

PeerLink::~PeerLink() {
    runtime_.cancel(hello_timer_);
}

void PeerLink::on_bytes(std::span<const std::byte> bytes) {
    heard_ = runtime_.clock().steady_now();
    const auto fed =
        reader_.feed(bytes, [this](const wire::FrameView& frame) { return handle(frame); });
    if (!fed) {
        close(fed.error());
    }
}

bool PeerLink::handle(const wire::FrameView& frame) {
    if (is_closing_) {
        return false;
    }
    const auto api = static_cast<PeerApi>(frame.header.api);
    if (api == PeerApi::refusal) {
        close(parse_refusal(frame.raw));
        return false;
    }
    if (hello_) {
        hand_on(frame);
        return !is_closing_;
    }
    auto hello = api == PeerApi::hello
                     ? parse_hello(frame.raw)
                     : Result<PeerHello>(fail(Errc::malformed, "the first frame is no hello"));
    auto taken = hello ? Result<void>(ok()) : Result<void>(hello.error());
    if (hello) {
        hello_ = std::move(hello).value();
        compressor_.emplace(compression_, hello_->codecs);
        runtime_.cancel(hello_timer_);
        taken = handlers_.on_hello(*this, *hello_);
    }
    if (!taken) {
        refuse(taken.error());
    }
    return !is_closing_;
}

void PeerLink::hand_on(const wire::FrameView& frame) {
    if (static_cast<PeerApi>(frame.header.api) != PeerApi::compressed) {
        handlers_.on_frame(*this, frame);
        return;
    }
    const auto plain = parse_compressed(frame.raw);
    if (!plain) {
        close(plain.error());
        return;
    }
    auto header = frame.header;
    header.api = static_cast<std::uint16_t>(plain.value().api);
    handlers_.on_frame(*this, {.header = header, .table = {}, .raw = plain.value().bytes});
}

void PeerLink::send_bytes(PeerApi api,
                          std::uint32_t correlation,
                          std::span<const std::byte> bytes) {
    if (!is_closing_) {
        connection_->send(compressor_->format(api, correlation, bytes));
    }
}

void PeerLink::send(std::vector<std::byte> frame) {
    if (!is_closing_) {
        connection_->send(std::move(frame));
    }
}

void PeerLink::refuse(const Error& reason) {
    send(format_refusal(0, reason));
    close(reason);
}

void PeerLink::close(Error reason) {
    if (!std::exchange(is_closing_, true)) {
        connection_->close(std::move(reason));
    }
}

void PeerLink::on_closed(const Error& reason) {
    is_closing_ = true;
    runtime_.cancel(hello_timer_);
    const auto tell = std::move(handlers_.on_closed);  // this link is gone when it returns
    tell(*this, reason);
}

}  // namespace millrace::broker::peers
