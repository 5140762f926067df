#include "broker/runtime/uring_connector.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::broker {
namespace {

/// Where nobody listens, the system may pick that very port for our end, and then connects the
/// socket to itself. Kept, it would also keep the server from listening there again.
bool is_its_own_peer(int descriptor, const sockaddr_in& peer) {
    sockaddr_in own{};
    socklen_t bytes = sizeof(own);
    return ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &bytes) == 0 &&
           own.sin_port == peer.sin_port && own.sin_addr.s_addr == peer.sin_addr.s_addr;
}

}  // namespace

Result<sockaddr_in> parse_address(const Endpoint& endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) != 1) {
        return fail(Errc::configuration, "\"" + endpoint.address + "\" is not an IPv4 address");
    }
    return address;
}

UringConnector::UringConnector(Ring& ring, Done done)
    : RingOperation(Kind::other),
      ring_(ring),
      done_(std::move(done)),
      timer_(ring, [this] { on_timer(); }) {}

UringConnector::~UringConnector() {
    close_socket();
}

void UringConnector::start(const Endpoint& endpoint, Duration timeout) {
    to_ = format_endpoint(endpoint);
    timeout_ = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    if (const auto opened = open(endpoint); !opened) {
        end(opened.error());
        return;
    }
    is_pending_ = true;
    io_uring_prep_connect(ring_.prepare(this),
                          descriptor_,
                          reinterpret_cast<const sockaddr*>(&address_),
                          sizeof(address_));
    timer_.start(timeout_);
}

Result<void> UringConnector::open(const Endpoint& endpoint) {
    MILLRACE_TRY(address_, parse_address(endpoint));
    // Not SOCK_NONBLOCK: then the ring would hand EINPROGRESS through in place of waiting.
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) {
        return lost(errno);
    }
    const int on = 1;
    (void)::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return ok();
}

void UringConnector::end(const Error& reason) {
    if (!done_ || failure_) {
        return;
    }
    failure_ = reason;
    if (is_pending_) {
        io_uring_prep_cancel(ring_.prepare(nullptr), static_cast<RingOperation*>(this), 0);
        return;
    }
    // Nothing was asked of the kernel; this brings the completion that tells it later.
    is_pending_ = true;
    io_uring_prep_nop(ring_.prepare(this));
}

void UringConnector::complete(std::int32_t result, std::uint32_t /*flags*/) {
    is_pending_ = false;
    timer_.cancel();
    if (!failure_ && result < 0) {
        failure_ = lost(-result);
    } else if (!failure_ && is_its_own_peer(descriptor_, address_)) {
        failure_ = lost(ECONNREFUSED);
    }
    const auto done = std::exchange(done_, nullptr);
    if (failure_) {
        close_socket();
        done(*failure_);
    } else {
        done(std::exchange(descriptor_, -1));
    }
}

void UringConnector::on_timer() {
    // It also ends when the connection stands; then there is nothing to end any more.
    end(fail(Errc::timed_out,
             "cannot connect to " + to_ + ": no answer within " + std::to_string(timeout_.count()) +
                 " ms"));
}

Error UringConnector::lost(int code) const {
    return fail(Errc::connection_lost,
                "cannot connect to " + to_ + ": " + std::generic_category().message(code),
                code);
}

void UringConnector::close_socket() {
    if (descriptor_ >= 0) {
        ::close(std::exchange(descriptor_, -1));
    }
}

}  // namespace millrace::broker
