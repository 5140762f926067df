#include "broker/runtime/uring_connector.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/runtime/uring_network.hpp"
#include "broker/runtime/uring_runtime.hpp"

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::chrono::minutes long_time{1};

/// One side of a connection, which keeps what it hears.
struct Side final : ConnectionEvents {
    void on_bytes(std::span<const std::byte> bytes) override {
        heard.insert(heard.end(), bytes.begin(), bytes.end());
        if (on_heard) {
            on_heard(bytes);
        }
    }
    void on_writable() override {}
    void on_closed(const Error& reason) override { closed.push_back(reason.code); }

    std::shared_ptr<Connection> connection;
    std::function<void(std::span<const std::byte>)> on_heard;
    std::vector<std::byte> heard;
    std::vector<Errc> closed;
};

/// A plain socket on loopback.
class PlainSocket {
  public:
    explicit PlainSocket(int flags = 0)
        : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    PlainSocket(const PlainSocket&) = delete;
    PlainSocket& operator=(const PlainSocket&) = delete;
    PlainSocket(PlainSocket&&) = delete;
    PlainSocket& operator=(PlainSocket&&) = delete;
    ~PlainSocket() { ::close(descriptor_); }

    /// Keeps a port that nobody listens on.
    Endpoint take_port() {
        socklen_t bytes = sizeof(address_);
        EXPECT_EQ(::bind(descriptor_, socket_address(), bytes), 0);
        EXPECT_EQ(::getsockname(descriptor_, socket_address(), &bytes), 0);
        return {.address = "127.0.0.1", .port = ntohs(address_.sin_port)};
    }
    void listen(int backlog) const { EXPECT_EQ(::listen(descriptor_, backlog), 0); }
    /// An errno, or 0.
    int connect(const Endpoint& to) {
        address_.sin_port = htons(to.port);
        return ::connect(descriptor_, socket_address(), sizeof(address_)) == 0 ? 0 : errno;
    }
    /// Waits for the other side to close.
    [[nodiscard]] bool hears_the_end() const {
        std::array<char, 1> byte{};
        return ::read(descriptor_, byte.data(), byte.size()) == 0;
    }

  private:
    sockaddr* socket_address() { return reinterpret_cast<sockaddr*>(&address_); }

    int descriptor_;
    sockaddr_in address_{};
};

/// Listens, and answers nobody: a backlog of 0 has room for one, and then what asks for a
/// connection is dropped without a word.
class FullServer {
  public:
    FullServer() {
        listening_.listen(0);
        EXPECT_EQ(first_.connect(endpoint_), 0);
        // In case that the first has not reached the backlog yet.
        EXPECT_EQ(second_.connect(endpoint_), EINPROGRESS);
    }
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  private:
    PlainSocket listening_;
    Endpoint endpoint_ = listening_.take_port();
    PlainSocket first_;
    PlainSocket second_{SOCK_NONBLOCK};
};

/// The ring and the network of one shard.
struct Station {
    Station(MetricsRegistry& metrics, ShardId shard, std::size_t connections_max)
        : network(*ring, ReceiveBuffers::create(*ring).value(), connections_max, metrics, shard) {}

    void turn() {
        ring->submit_and_wait(1'000);
        ring->run_completions();
        network.flush();
    }

    std::unique_ptr<Ring> ring = Ring::create(64).value();
    UringNetwork network;
};

class UringConnectorTest : public ::testing::Test {
  protected:
    void TearDown() override {
        for (auto* station : {&here, &there}) {
            station->network.stop_listening();
            station->network.close_all(fail(Errc::shutting_down, "the test is over"));
        }
        turn_until([&] { return here.network.is_quiet() && there.network.is_quiet(); });
    }
    void turn_until(const std::function<bool()>& is_reached) {
        const auto end = std::chrono::steady_clock::now() + long_time;
        while (!is_reached() && std::chrono::steady_clock::now() < end) {
            here.turn();
            there.turn();
        }
        EXPECT_TRUE(is_reached());
    }
    Connected into_caller() {
        return [this](Result<std::shared_ptr<Connection>> made) -> ConnectionEvents* {
            if (!made) {
                failures.push_back(std::move(made).error());
                return nullptr;
            }
            caller.connection = std::move(made).value();
            ++made_count;
            return &caller;
        };
    }
    static Accept into(Side& side) {
        return [&side](std::shared_ptr<Connection> connection) {
            side.connection = std::move(connection);
            return &side;
        };
    }
    std::vector<Errc> failure_codes() const {
        std::vector<Errc> codes;
        for (const auto& failure : failures) {
            codes.push_back(failure.code);
        }
        return codes;
    }
    /// As shard 0 of `mesh`, until all of `words` came back; the address at the other end.
    std::string say_and_hear_again(ShardMesh& mesh,
                                   const Endpoint& endpoint,
                                   const std::vector<std::byte>& words);
    /// The number that the next file would get: the same again when none was leaked.
    static int next_descriptor() {
        const int next = ::eventfd(0, EFD_CLOEXEC);
        ::close(next);
        return next;
    }

    SystemClock clock;
    MetricsRegistry metrics;
    Side caller;
    Side listener;
    std::vector<Error> failures;
    int made_count = 0;
    Station here{metrics, ShardId{0}, 1};
    Station there{metrics, ShardId{1}, 10};
};

std::string UringConnectorTest::say_and_hear_again(ShardMesh& mesh,
                                                   const Endpoint& endpoint,
                                                   const std::vector<std::byte>& words) {
    std::string peer;
    auto runtime = UringRuntime::create({.shard = ShardId{0}}, clock, metrics, mesh).value();
    caller.on_heard = [&](std::span<const std::byte> /*bytes*/) {
        if (caller.heard.size() == words.size()) {
            runtime->stop();
        }
    };
    runtime->connect(
        endpoint, long_time, [&](Result<std::shared_ptr<Connection>> made) -> ConnectionEvents* {
            if (!made) {
                runtime->stop();
                return nullptr;
            }
            caller.connection = std::move(made).value();
            peer = caller.connection->peer();
            caller.connection->send(words);
            return &caller;
        });
    runtime->run();
    return peer;
}

TEST_F(UringConnectorTest, ShardReachesTheListenerOfAnother) {
    ShardMesh mesh{2, metrics};
    const std::vector hello{std::byte{'h'}, std::byte{'i'}};
    Endpoint endpoint;
    std::string peer;
    std::thread listening([&] {
        auto runtime = UringRuntime::create({.shard = ShardId{1}}, clock, metrics, mesh).value();
        listener.on_heard = [&](std::span<const std::byte> bytes) {
            listener.connection->send({bytes.begin(), bytes.end()});
        };
        endpoint = runtime->listen({}, into(listener)).value();
        std::thread calling([&] {
            peer = say_and_hear_again(mesh, endpoint, hello);
            runtime->stop();
        });
        runtime->run();
        calling.join();
    });
    listening.join();
    EXPECT_EQ(caller.heard, hello);
    EXPECT_EQ(peer, format_endpoint(endpoint));
    EXPECT_THAT(caller.closed, ElementsAre(Errc::shutting_down));
    EXPECT_THAT(listener.closed, SizeIs(1));
}

TEST_F(UringConnectorTest, PortThatNobodyListensOnIsAnErrorWithTheSystemsText) {
    PlainSocket silent;
    const auto endpoint = silent.take_port();
    here.network.connect(endpoint, long_time, into_caller());
    EXPECT_THAT(failures, SizeIs(0));
    turn_until([&] { return !failures.empty(); });
    EXPECT_EQ(failures[0].code, Errc::connection_lost);
    EXPECT_EQ(failures[0].os_error, ECONNREFUSED);
    EXPECT_THAT(failures[0].text, HasSubstr(format_endpoint(endpoint) + ": Connection refused"));
}

TEST_F(UringConnectorTest, NameInPlaceOfAnAddressIsToldLater) {
    here.network.connect({.address = "localhost", .port = 1}, long_time, into_caller());
    EXPECT_THAT(failures, SizeIs(0));
    turn_until([&] { return !failures.empty(); });
    EXPECT_THAT(failure_codes(), ElementsAre(Errc::configuration));
    turn_until([&] { return here.network.is_quiet(); });
}

TEST_F(UringConnectorTest, NoAnswerInTimeIsTimedOut) {
    const FullServer server;
    const int next = next_descriptor();
    const auto begin = std::chrono::steady_clock::now();
    here.network.connect(server.endpoint(), std::chrono::milliseconds(50), into_caller());
    turn_until([&] { return !failures.empty(); });
    EXPECT_THAT(failure_codes(), ElementsAre(Errc::timed_out));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(50));
    turn_until([&] { return here.network.is_quiet(); });
    EXPECT_EQ(next_descriptor(), next);
    EXPECT_THAT(failures, SizeIs(1));
}

TEST_F(UringConnectorTest, ClosingEndsWhatIsUnderWayAndWhatComesAfterwards) {
    const FullServer server;
    const int next = next_descriptor();
    here.network.connect(
        server.endpoint(), long_time, [&](Result<std::shared_ptr<Connection>> made) {
            // Whoever tries again at once.
            here.network.connect(server.endpoint(), long_time, into_caller());
            return into_caller()(std::move(made));
        });
    here.turn();
    EXPECT_NE(next_descriptor(), next);
    here.network.close_all(fail(Errc::shutting_down, "enough"));
    EXPECT_THAT(failures, SizeIs(0));
    turn_until([&] { return here.network.is_quiet(); });
    EXPECT_THAT(failure_codes(), ElementsAre(Errc::shutting_down, Errc::shutting_down));
    EXPECT_EQ(next_descriptor(), next);
}

TEST_F(UringConnectorTest, StoppedRuntimeTellsAConnectThatIsUnderWay) {
    const FullServer server;
    ShardMesh mesh{1, metrics};
    std::thread shard([&] {
        auto runtime = UringRuntime::create({.shard = ShardId{0}}, clock, metrics, mesh).value();
        runtime->connect(server.endpoint(), long_time, into_caller());
        runtime->post([&] { runtime->stop(); });
        runtime->run();
        EXPECT_THAT(failure_codes(), ElementsAre(Errc::shutting_down));
    });
    shard.join();
    EXPECT_THAT(failures, SizeIs(1));
}

TEST_F(UringConnectorTest, ConnectThatNeverEndedGoesUnheardWithTheNetwork) {
    const FullServer server;
    const int next = next_descriptor();
    auto held = std::make_shared<Connected>(into_caller());
    const std::weak_ptr watched = held;
    {
        Station brief(metrics, ShardId{2}, 10);
        brief.network.connect(server.endpoint(),
                              long_time,
                              [held = std::move(held)](Result<std::shared_ptr<Connection>> made) {
                                  return (*held)(std::move(made));
                              });
        brief.turn();
        EXPECT_FALSE(watched.expired());
    }
    EXPECT_TRUE(watched.expired());
    EXPECT_THAT(failures, SizeIs(0));
    EXPECT_EQ(next_descriptor(), next);
}

TEST_F(UringConnectorTest, ConnectionThatNobodyWantsIsClosed) {
    bool is_made = false;
    const auto endpoint = there.network.listen({}, into(listener)).value();
    here.network.connect(endpoint, long_time, [&](const Result<std::shared_ptr<Connection>>& made) {
        is_made = made.has_value();
        return nullptr;
    });
    turn_until([&] { return !listener.closed.empty(); });
    EXPECT_TRUE(is_made);
    turn_until([&] { return here.network.is_quiet(); });
}

TEST_F(UringConnectorTest, OutgoingConnectionsTakeNoPlaceOfThoseThatCome) {
    const auto elsewhere = there.network.listen({}, into(listener)).value();
    const auto limited = here.network.listen({}, into(listener)).value();
    here.network.connect(elsewhere, long_time, into_caller());
    here.network.connect(elsewhere, long_time, into_caller());
    turn_until([&] { return made_count == 2; });
    const auto& open_now =
        metrics.gauge("millrace_connections", "Open native connections.", shard_label(ShardId{0}));
    EXPECT_EQ(open_now.value(), 0);
    PlainSocket first;
    PlainSocket second;
    EXPECT_EQ(first.connect(limited), 0);
    turn_until([&] { return open_now.value() == 1; });
    EXPECT_EQ(second.connect(limited), 0);
    const auto& refused =
        metrics.counter("millrace_connections_refused_total",
                        "Connections closed at once because of limit connections_max.",
                        shard_label(ShardId{0}));
    turn_until([&] { return refused.value() == 1; });
    EXPECT_TRUE(second.hears_the_end());
    EXPECT_THAT(caller.closed, SizeIs(0));
}

TEST_F(UringConnectorTest, EachListenerHasItsOwnPortAndTheyEndTogether) {
    Side other;
    const auto first = there.network.listen({}, into(listener)).value();
    const auto second = there.network.listen({}, into(other)).value();
    EXPECT_NE(first.port, second.port);
    here.network.connect(second, long_time, into_caller());
    turn_until([&] { return other.connection != nullptr; });
    EXPECT_EQ(listener.connection, nullptr);
    here.network.connect(first, long_time, into_caller());
    turn_until([&] { return listener.connection != nullptr && made_count == 2; });

    there.network.stop_listening();
    caller.connection->send({std::byte{'x'}});
    turn_until([&] { return !listener.heard.empty(); });  // what stands goes on
    here.network.connect(first, long_time, into_caller());
    here.network.connect(second, long_time, into_caller());
    turn_until([&] { return failures.size() == 2; });
    EXPECT_THAT(failure_codes(), ElementsAre(Errc::connection_lost, Errc::connection_lost));
    there.network.close_all(fail(Errc::shutting_down, "done"));
    turn_until([&] { return there.network.is_quiet(); });
}

}  // namespace
}  // namespace millrace::broker
