#include "broker/runtime/uring_network.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/runtime/uring_runtime.hpp"

namespace millrace::broker {
namespace {

/// What a session is to the network: it keeps its connection, and is told of the end.
struct Holder final : ConnectionEvents {
    void on_bytes(std::span<const std::byte> bytes) override {
        connection->send({bytes.begin(), bytes.end()});
    }
    void on_writable() override {}
    void on_closed(const Error& reason) override { closed.push_back(reason.code); }

    std::shared_ptr<Connection> connection;
    std::vector<Errc> closed;
};

class UringNetworkTest : public ::testing::Test {
  protected:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    static int open_client(std::uint16_t port) {
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(port);
        EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        return client;
    }
    static void turn_until(Ring& ring,
                           UringNetwork& network,
                           const std::function<bool()>& is_reached) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (!is_reached() && std::chrono::steady_clock::now() < end) {
            ring.submit_and_wait(1'000);
            ring.run_completions();
            network.flush();
        }
        EXPECT_TRUE(is_reached());
    }
    /// One byte to the echo and back, so that the connection is accepted when it returns.
    int connect(std::uint16_t port) {
        const int client = open_client(port);
        char byte = 'x';
        EXPECT_EQ(::write(client, &byte, 1), 1);
        EXPECT_EQ(::read(client, &byte, 1), 1);
        return client;
    }
    /// Of a listener on loopback, whose connections `holder` keeps.
    template <class Listener>
    std::uint16_t listen_on(Listener& listener) {
        return listener
            .listen({.address = "127.0.0.1", .port = 0},
                    [this](std::shared_ptr<Connection> connection) {
                        holder.connection = std::move(connection);
                        return &holder;
                    })
            .value()
            .port;
    }
    int open_held_client(Ring& ring, UringNetwork& network, std::uint16_t port) {
        const int client = open_client(port);
        turn_until(ring, network, [this] { return holder.connection != nullptr; });
        return client;
    }
    std::unique_ptr<UringRuntime> make_runtime() {
        return UringRuntime::create({.shard = ShardId{0}}, clock, metrics, mesh).value();
    }

    SystemClock clock;
    MetricsRegistry metrics;
    ShardMesh mesh{1, metrics};
    Holder holder;
};

TEST_F(UringNetworkTest, HeldConnectionMayBeDroppedAfterTheReactorOnAnotherThread) {
    int client = -1;
    std::thread shard([&] {
        auto runtime = make_runtime();
        const auto port = listen_on(*runtime);
        std::thread outside([&] {
            client = connect(port);
            runtime->stop();
        });
        runtime->run();
        outside.join();
    });
    shard.join();

    EXPECT_EQ(holder.closed, std::vector{Errc::shutting_down});
    holder.connection->send(std::vector<std::byte>(10));
    holder.connection->pause_reading();
    holder.connection->resume_reading();
    holder.connection->close(fail(Errc::internal, "late"));
    holder.connection.reset();
    EXPECT_EQ(holder.closed.size(), 1U);
    char byte = 0;
    EXPECT_EQ(::read(client, &byte, 1), 0);  // the peer has seen the end
    ::close(client);
}

TEST_F(UringNetworkTest, ShardsShareAPortThatNobodyElseMayHave) {
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
    const Endpoint endpoint{.address = "127.0.0.1", .port = listen_on(network)};
    EXPECT_TRUE(network.listen(endpoint, [](auto) { return nullptr; }));

    const auto heard = ensure_nobody_listens(endpoint);
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().os_error, EADDRINUSE);
    EXPECT_NE(heard.error().text.find("127.0.0.1:" + std::to_string(endpoint.port)),
              std::string::npos);
    EXPECT_TRUE(ensure_nobody_listens({.address = "127.0.0.1", .port = 0}));

    network.stop_listening();
    turn_until(*ring, network, [&] { return network.is_quiet(); });
    EXPECT_TRUE(ensure_nobody_listens(endpoint));
}

TEST_F(UringNetworkTest, BytesThatOthersHoldTooGoOutInTheirOrder) {
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
    const auto port = listen_on(network);
    const int client = open_held_client(*ring, network, port);
    std::string expected;
    // More pieces than one send takes, larger in all than a socket holds.
    for (int i = 0; i < 200; ++i) {
        const std::string text(20'000, static_cast<char>('a' + i % 26));
        const auto bytes = std::as_bytes(std::span(text));
        const auto owner =
            std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
        const SharedBytes shared(owner, *owner);
        holder.connection->send({bytes.begin(), bytes.begin() + 7});
        holder.connection->send(shared);
        expected += text.substr(0, 7) + text;
    }
    EXPECT_EQ(holder.connection->unsent_bytes(), expected.size());
    std::string got;
    std::atomic<bool> is_read = false;
    std::thread reader([&] {
        std::array<char, 65'536> buffer{};
        for (ssize_t n = 1; got.size() < expected.size() && n > 0;) {
            n = ::read(client, buffer.data(), buffer.size());
            got.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        }
        is_read = true;
    });
    turn_until(*ring, network, [&] { return is_read.load(); });
    reader.join();
    EXPECT_TRUE(got == expected);
    EXPECT_EQ(holder.connection->unsent_bytes(), 0U);
    ::close(client);
    turn_until(*ring, network, [&] { return !holder.closed.empty(); });
}

TEST_F(UringNetworkTest, CloseDoesNotWaitLongForAPeerThatTakesNothing) {
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
    const auto port = listen_on(network);
    const int client = open_held_client(*ring, network, port);
    holder.connection->send(std::vector<std::byte>(std::size_t{64} * 1024 * 1024));
    network.flush();
    const auto begin = std::chrono::steady_clock::now();
    holder.connection->close(fail(Errc::shutting_down, "enough"));
    EXPECT_TRUE(holder.closed.empty());
    turn_until(*ring, network, [&] { return !holder.closed.empty(); });
    EXPECT_EQ(holder.closed, std::vector{Errc::shutting_down});
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    holder.connection.reset();
    ::close(client);
}

TEST_F(UringNetworkTest, ConnectionsWaitWhileDescriptorsAreShortAndAreTakenAfterwards) {
#ifdef MILLRACE_SANITIZED
    GTEST_SKIP() << "to look at an object a sanitizer needs descriptors of its own";
#endif
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(client);  // the listener's
    ::close(next);
    const auto port = listen_on(network);
    const rlimit short_one{.rlim_cur = static_cast<rlim_t>(next) + 1, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &short_one), 0);
    auto address = loopback(port);
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const auto& failed = metrics.counter("millrace_connections_accept_failed_total",
                                         "Tries to accept a connection that the system refused; it "
                                         "is tried again after a rest.",
                                         shard_label(ShardId{0}));
    turn_until(*ring, network, [&] { return failed.value() == 1; });
    const auto begin = std::chrono::steady_clock::now();
    turn_until(*ring, network, [&] { return failed.value() == 4; });
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    turn_until(*ring, network, [&] { return holder.connection != nullptr; });
    network.stop_listening();
    network.close_all(fail(Errc::shutting_down, "done"));
    turn_until(*ring, network, [&] { return network.is_quiet(); });
    holder.connection.reset();
    ::close(client);
}

TEST_F(UringNetworkTest, ConnectionsApartFromClientsHaveABoundOfTheirOwn) {
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 1, metrics, ShardId{0});
    std::vector<std::unique_ptr<Holder>> holders;
    const auto accept = [&](std::shared_ptr<Connection> connection) {
        holders.push_back(std::make_unique<Holder>());
        holders.back()->connection = std::move(connection);
        return holders.back().get();
    };
    const auto clients = network.listen({}, accept).value();
    const auto peers = network.listen_apart({}, 2, accept).value();
    std::vector<int> sockets;
    const auto open = [&](std::uint16_t port) { sockets.push_back(open_client(port)); };
    open(peers.port);
    open(peers.port);
    turn_until(*ring, network, [&] { return holders.size() == 2; });
    open(clients.port);
    turn_until(*ring, network, [&] { return holders.size() == 3; });
    const auto refused = [&] {
        return metrics.counter("millrace_connections_refused_total", "", shard_label(ShardId{0}))
            .value();
    };
    open(peers.port);
    turn_until(*ring, network, [&] { return refused() == 1; });
    open(clients.port);
    turn_until(*ring, network, [&] { return refused() == 2; });
    EXPECT_EQ(holders.size(), 3U);

    ::close(sockets.front());  // one of the peers makes room for another
    turn_until(*ring, network, [&] { return !holders.front()->closed.empty(); });
    open(peers.port);
    turn_until(*ring, network, [&] { return holders.size() == 4; });
    network.stop_listening();
    network.close_all(fail(Errc::shutting_down, "done"));
    turn_until(*ring, network, [&] { return network.is_quiet(); });
    holders.clear();
    for (const int socket : sockets) {
        ::close(socket);
    }
}

/// Closes at its first bytes, and notices when the end comes before that call has returned.
struct Closer final : ConnectionEvents {
    void on_bytes(std::span<const std::byte> /*bytes*/) override {
        connection->close(fail(Errc::malformed, "enough"));
        was_closed_inside = is_closed;
    }
    void on_writable() override {}
    void on_closed(const Error& /*reason*/) override { is_closed = true; }

    std::shared_ptr<Connection> connection;
    bool is_closed = false;
    bool was_closed_inside = false;
};

/// When completions find no room, the kernel ends a receive with its last bytes: then nothing is
/// left that a close would have to wait for.
TEST_F(UringNetworkTest, TheEndDoesNotComeWithinTheCallThatHandsOutBytes) {
    constexpr std::size_t many = 100;
    auto ring = Ring::create(4).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), many, metrics, ShardId{0});
    std::vector<std::unique_ptr<Closer>> closers;
    const auto endpoint = network
                              .listen({},
                                      [&](std::shared_ptr<Connection> connection) {
                                          closers.push_back(std::make_unique<Closer>());
                                          closers.back()->connection = std::move(connection);
                                          return closers.back().get();
                                      })
                              .value();
    std::vector<int> sockets;
    for (std::size_t i = 0; i < many; ++i) {
        sockets.push_back(open_client(endpoint.port));
    }
    turn_until(*ring, network, [&] { return closers.size() == many; });
    for (const int socket : sockets) {
        EXPECT_EQ(::write(socket, "x", 1), 1);
    }
    turn_until(*ring, network, [&] {
        return std::ranges::all_of(closers, [](const auto& closer) { return closer->is_closed; });
    });
    for (const auto& closer : closers) {
        EXPECT_FALSE(closer->was_closed_inside);
        closer->connection.reset();
    }
    network.stop_listening();
    network.close_all(fail(Errc::shutting_down, "done"));
    turn_until(*ring, network, [&] { return network.is_quiet(); });
    for (const int socket : sockets) {
        ::close(socket);
    }
}

TEST_F(UringNetworkTest, PausedConnectionHearsOfTheEndToo) {
    auto ring = Ring::create(64).value();
    UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
    const auto port = listen_on(network);
    const int client = open_held_client(*ring, network, port);
    holder.connection->pause_reading();
    for (int turns = 0; turns < 3; ++turns) {  // until the kernel has let go of the receive
        ring->submit_and_wait(1'000);
        ring->run_completions();
        network.flush();
    }
    network.stop_listening();
    network.close_all(fail(Errc::shutting_down, "done"));
    turn_until(*ring, network, [&] { return network.is_quiet(); });
    EXPECT_EQ(holder.closed, std::vector{Errc::shutting_down});
    holder.connection.reset();
    ::close(client);
}

TEST_F(UringNetworkTest, ConnectionThatNeverEndedIsLetGoWithTheNetwork) {
    std::atomic<int> client = -1;
    std::thread shard([&] {
        auto ring = Ring::create(64).value();
        UringNetwork network(*ring, ReceiveBuffers::create(*ring).value(), 10, metrics, ShardId{0});
        const auto port = listen_on(network);
        std::thread outside([&] { client = connect(port); });
        while (client < 0) {
            ring->submit_and_wait(1'000);
            ring->run_completions();
            network.flush();
        }
        outside.join();
    });
    shard.join();
    holder.connection->pause_reading();
    holder.connection->close(fail(Errc::internal, "late"));
    holder.connection.reset();
    EXPECT_TRUE(holder.closed.empty());
    char byte = 0;
    EXPECT_EQ(::read(client, &byte, 1), 0);
    ::close(client);
}

}  // namespace
}  // namespace millrace::broker
