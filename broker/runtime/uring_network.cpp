#include "broker/runtime/uring_network.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "storage/base/assert.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

constexpr int backlog = 1024;
/// Before the next try to accept: who waits in the backlog would be refused again at once.
constexpr std::chrono::milliseconds accept_rest{100};
constexpr std::chrono::seconds accept_warning_interval{10};
/// The system gives the port of a process that was killed back a moment after its end.
constexpr std::chrono::seconds port_patience{1};
constexpr std::chrono::milliseconds port_rest{20};

Error socket_error(const std::string& verb, int code) {
    return fail(Errc::io, "cannot " + verb + ": " + std::generic_category().message(code), code);
}

void set_option(int descriptor, int level, int name) {
    const int on = 1;
    (void)::setsockopt(descriptor, level, name, &on, sizeof(on));
}

std::string text_of(const sockaddr_in& address) {
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(address.sin_port));
}

sockaddr* as_socket_address(sockaddr_in& address) {
    return reinterpret_cast<sockaddr*>(&address);
}

std::string peer_of(int descriptor) {
    sockaddr_in address{};
    socklen_t bytes = sizeof(address);
    return ::getpeername(descriptor, as_socket_address(address), &bytes) == 0 ? text_of(address)
                                                                              : "unknown";
}

/// 0, or why a socket that shares its address with none that listens can't have this one.
int bind_alone(sockaddr_in address) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return errno;
    }
    set_option(descriptor, SOL_SOCKET, SO_REUSEADDR);
    const int code =
        ::bind(descriptor, as_socket_address(address), sizeof(address)) == 0 ? 0 : errno;
    ::close(descriptor);
    return code;
}

}  // namespace

Result<std::unique_ptr<ReceiveBuffers>> ReceiveBuffers::create(Ring& ring) {
    std::unique_ptr<ReceiveBuffers> buffers(new ReceiveBuffers(ring));
    void* memory = nullptr;
    if (::posix_memalign(&memory, 4096, count * sizeof(io_uring_buf)) != 0) {
        return fail(Errc::internal, "no memory for receive buffers");
    }
    buffers->shared_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = count;
    registration.bgid = group;
    if (const int code = io_uring_register_buf_ring(ring.native(), &registration, 0); code != 0) {
        return socket_error("register receive buffers (a kernel of 6.0 or newer is needed)", -code);
    }
    io_uring_buf_ring_init(buffers->shared_);
    buffers->memory_.resize(count * bytes_each);
    for (std::uint16_t i = 0; i < count; ++i) {
        buffers->give_back(i);
    }
    return buffers;
}

ReceiveBuffers::~ReceiveBuffers() {
    io_uring_unregister_buf_ring(ring_.native(), group);
    std::free(shared_);  // NOLINT: from posix_memalign
}

std::span<const std::byte> ReceiveBuffers::bytes(std::uint16_t number) const {
    return std::span(memory_).subspan(number * bytes_each, bytes_each);
}

void ReceiveBuffers::give_back(std::uint16_t number) {
    io_uring_buf_ring_add(shared_,
                          &memory_[number * bytes_each],
                          bytes_each,
                          number,
                          io_uring_buf_ring_mask(count),
                          0);
    io_uring_buf_ring_advance(shared_, 1);
}

/// One listening socket with a multishot accept.
class UringNetwork::Listener final : public RingOperation {
  public:
    Listener(UringNetwork& owner, int descriptor, Door door)
        : RingOperation(Kind::other),
          owner_(owner),
          descriptor_(descriptor),
          door_(std::move(door)),
          rest_(owner.ring_, [this] { arm_again(); }) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener(Listener&&) = delete;
    Listener& operator=(Listener&&) = delete;
    ~Listener() override { ::close(descriptor_); }

    void arm() {
        is_armed_ = true;
        io_uring_prep_multishot_accept(
            owner_.ring_.prepare(this), descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    }
    void stop() {
        is_stopping_ = true;
        if (is_armed_) {
            io_uring_prep_cancel(owner_.ring_.prepare(nullptr), this, 0);
        }
        rest_.cancel();
        ::shutdown(descriptor_, SHUT_RDWR);
    }
    void complete(std::int32_t result, std::uint32_t flags) override {
        is_armed_ = (flags & IORING_CQE_F_MORE) != 0;
        if (result >= 0) {
            owner_.accepted(*this, result);
        } else if (is_failure(-result) && !is_stopping_) {
            owner_.accept_failed(-result);
        }
        if (is_armed_ || is_stopping_) {
            return;
        }
        if (result < 0 && is_failure(-result)) {
            rest_.start(accept_rest);
        } else {
            arm();
        }
    }
    [[nodiscard]] bool is_quiet() const {
        return is_stopping_ && !is_armed_ && !rest_.is_running();
    }
    /// Who was on the way by then is turned away: whoever listened may be gone.
    [[nodiscard]] bool is_stopping() const { return is_stopping_; }
    [[nodiscard]] const Door& door() const { return door_; }

  private:
    /// One that went away while it waited is no reason to let the others wait.
    [[nodiscard]] static bool is_failure(int code) {
        return code != ECANCELED && code != ECONNABORTED;
    }
    void arm_again() {
        if (!is_stopping_) {
            arm();
        }
    }

    UringNetwork& owner_;
    int descriptor_;
    Door door_;
    RingTimer rest_;
    bool is_armed_ = false;
    bool is_stopping_ = false;
};

UringNetwork::UringNetwork(Ring& ring,
                           std::unique_ptr<ReceiveBuffers> buffers,
                           std::size_t connections_max,
                           MetricsRegistry& metrics,
                           ShardId shard)
    : ring_(ring),
      buffers_(std::move(buffers)),
      connections_max_(connections_max),
      open_(metrics.gauge("millrace_connections", "Open native connections.", shard_label(shard))),
      refused_(metrics.counter("millrace_connections_refused_total",
                               "Connections closed at once because of limit connections_max, "
                               "or because other nodes had too many already.",
                               shard_label(shard))),
      accept_failed_(metrics.counter("millrace_connections_accept_failed_total",
                                     "Tries to accept a connection that the system refused; it is "
                                     "tried again after a rest.",
                                     shard_label(shard))) {}

UringNetwork::~UringNetwork() {
    for (const auto* connections : {&incoming_, &apart_, &outgoing_}) {
        for (const auto& [number, connection] : *connections) {
            connection->let_go();
        }
    }
}

Result<Endpoint> UringNetwork::listen(const Endpoint& endpoint, Accept accept) {
    return listen_at(
        endpoint,
        {.accept = std::move(accept), .among = &incoming_, .connections_max = connections_max_});
}

Result<Endpoint> UringNetwork::listen_apart(const Endpoint& endpoint,
                                            std::size_t connections_max,
                                            Accept accept) {
    return listen_at(
        endpoint,
        {.accept = std::move(accept), .among = &apart_, .connections_max = connections_max});
}

Result<void> ensure_nobody_listens(const Endpoint& endpoint) {
    MILLRACE_TRY(const auto address, parse_address(endpoint));
    const auto end = std::chrono::steady_clock::now() + port_patience;
    int code = bind_alone(address);
    while (code == EADDRINUSE && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(port_rest);
        code = bind_alone(address);
    }
    return code == 0 ? Result<void>(ok())
                     : socket_error("listen on " + format_endpoint(endpoint), code);
}

Result<Endpoint> UringNetwork::listen_at(const Endpoint& endpoint, Door door) {
    MILLRACE_TRY(auto address, parse_address(endpoint));
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return socket_error("make a socket", errno);
    }
    auto listener = std::make_unique<Listener>(*this, descriptor, std::move(door));
    set_option(descriptor, SOL_SOCKET, SO_REUSEADDR);
    set_option(descriptor, SOL_SOCKET, SO_REUSEPORT);
    socklen_t bytes = sizeof(address);
    if (::bind(descriptor, as_socket_address(address), sizeof(address)) != 0 ||
        ::listen(descriptor, backlog) != 0 ||
        ::getsockname(descriptor, as_socket_address(address), &bytes) != 0) {
        return socket_error("listen on " + format_endpoint(endpoint), errno);
    }
    listener->arm();
    listeners_.push_back(std::move(listener));
    return Endpoint{.address = endpoint.address, .port = ntohs(address.sin_port)};
}

void UringNetwork::accepted(Listener& listener, int descriptor) {
    if (closing_ || listener.is_stopping()) {
        ::close(descriptor);
        return;
    }
    const auto& door = listener.door();
    if (door.among->size() >= door.connections_max) {
        refused_.add();
        ::close(descriptor);
        return;
    }
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY);
    take({.descriptor = descriptor, .peer = peer_of(descriptor)}, *door.among, door.accept);
    open_.set(static_cast<std::int64_t>(incoming_.size()));
}

void UringNetwork::take(Socket socket, Connections& among, const Accept& accept) {
    const auto number = ++last_number_;
    auto connection = std::make_shared<UringConnection>(
        ring_, *buffers_, socket.descriptor, std::move(socket.peer), [this, number] {
            forget(number);
        });
    auto* const events = accept(connection);
    if (events == nullptr) {
        return;
    }
    among.emplace(number, connection);
    connection->start(*events);
}

void UringNetwork::accept_failed(int code) {
    accept_failed_.add();
    const auto now = std::chrono::steady_clock::now();
    if (warned_at_ && now - *warned_at_ < accept_warning_interval) {
        return;
    }
    warned_at_ = now;
    log_warning("network",
                "connections can't be accepted and wait: " + std::generic_category().message(code));
}

void UringNetwork::stop_listening() {
    for (const auto& listener : listeners_) {
        listener->stop();
    }
}

void UringNetwork::connect(const Endpoint& endpoint, Duration timeout, Connected done) {
    auto report = [this, peer = format_endpoint(endpoint), done = std::move(done)](
                      Result<int> descriptor) { connected(std::move(descriptor), peer, done); };
    connectors_.push_back(std::make_unique<UringConnector>(ring_, std::move(report)));
    auto& connector = *connectors_.back();
    if (closing_) {
        connector.end(*closing_);
    } else {
        connector.start(endpoint, timeout);
    }
}

void UringNetwork::connected(Result<int> descriptor,
                             const std::string& peer,
                             const Connected& done) {
    if (!descriptor) {
        (void)done(std::move(descriptor).error());
        return;
    }
    take({.descriptor = descriptor.value(), .peer = peer},
         outgoing_,
         [&done](std::shared_ptr<Connection> connection) { return done(std::move(connection)); });
}

void UringNetwork::close_all(const Error& reason) {
    closing_ = reason;
    for (const auto& connector : connectors_) {
        connector->end(reason);
    }
    for (const auto* connections : {&incoming_, &apart_, &outgoing_}) {
        for (const auto& [number, connection] : Connections(*connections)) {
            connection->abort(reason);
        }
    }
}

void UringNetwork::flush() {
    for (const auto number : gone_) {
        incoming_.erase(number);
        apart_.erase(number);
        outgoing_.erase(number);
    }
    if (!gone_.empty()) {
        gone_.clear();
        open_.set(static_cast<std::int64_t>(incoming_.size()));
    }
    std::erase_if(listeners_, [](const auto& listener) { return listener->is_quiet(); });
    std::erase_if(connectors_, [](const auto& connector) { return connector->is_quiet(); });
    for (const auto* connections : {&incoming_, &apart_, &outgoing_}) {
        for (const auto& [number, connection] : *connections) {
            connection->flush();
        }
    }
}

}  // namespace millrace::broker
