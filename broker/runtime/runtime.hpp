#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/bytes.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::storage {
class Disk;
}

namespace millrace::broker {

using Task = std::function<void()>;
using TimerId = std::uint64_t;

/// Where a server listens. Port 0 asks the system for a free one; `connect` needs the real one.
struct Endpoint {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
};
/// "127.0.0.1:7400".
[[nodiscard]] inline std::string format_endpoint(const Endpoint& endpoint) {
    return endpoint.address + ":" + std::to_string(endpoint.port);
}

/// What a connection tells its owner, on the shard's thread.
class ConnectionEvents {
  public:
    ConnectionEvents() = default;
    ConnectionEvents(const ConnectionEvents&) = delete;
    ConnectionEvents& operator=(const ConnectionEvents&) = delete;
    ConnectionEvents(ConnectionEvents&&) = delete;
    ConnectionEvents& operator=(ConnectionEvents&&) = delete;
    virtual ~ConnectionEvents() = default;

    /// Bytes that arrived; valid only during the call.
    virtual void on_bytes(std::span<const std::byte> bytes) = 0;
    /// Everything handed to `send` so far has left, and the queue is below its low mark again after
    /// having been above its limit.
    virtual void on_writable() = 0;
    /// The last call, never within one of the others. The connection is gone when it returns.
    virtual void on_closed(const Error& reason) = 0;
};

/// One stream socket of a shard.
///
/// Promise:  sent buffers leave in order; many sends of one turn become few system calls.
/// Threads:  the shard's.
class Connection {
  public:
    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    Connection(Connection&&) = delete;
    Connection& operator=(Connection&&) = delete;
    virtual ~Connection() = default;

    /// Queues bytes; they go out at the end of the turn.
    virtual void send(std::vector<std::byte> bytes) = 0;
    /// The same from where they lie.
    virtual void send(SharedBytes bytes) = 0;
    /// Queued and not yet taken by the system. The owner stops producing above its limit and waits
    /// for `on_writable`.
    [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
    /// Stops and resumes receiving: back-pressure towards the peer.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    /// Closes after what was sent has left, or after a second; `on_closed` follows.
    virtual void close(Error reason) = 0;
    [[nodiscard]] virtual const std::string& peer() const = 0;
};

/// Gives the events for a connection that was just accepted, or null to refuse it.
using Accept = std::function<ConnectionEvents*(std::shared_ptr<Connection>)>;
/// Gives the events for a connection that was just made, or null to drop it. What it gives for an
/// error is of no interest.
using Connected = std::function<ConnectionEvents*(Result<std::shared_ptr<Connection>>)>;

/// The world of one shard: time, timers, disk, network and the way to other shards. The shard's
/// code sees only this, so the simulator can run it from a seed.
///
/// Promise:  a turn is: completions, bytes, timers and posted tasks; then the end-of-turn tasks,
/// once; then one submit. Threads:  all members the shard's thread, except `post_from_outside`.
class Runtime {
  public:
    Runtime() = default;
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;
    Runtime(Runtime&&) = delete;
    Runtime& operator=(Runtime&&) = delete;
    virtual ~Runtime() = default;

    [[nodiscard]] virtual const Clock& clock() const = 0;
    [[nodiscard]] virtual storage::Disk& disk() = 0;

    /// Runs `task` once, not before `delay` has passed. Cancelling one that has run is harmless.
    virtual TimerId run_after(Duration delay, Task task) = 0;
    virtual void cancel(TimerId timer) = 0;
    /// Runs `task` later in this turn or in the next, never before the call returns.
    virtual void post(Task task) = 0;
    /// Runs at the end of every turn in which anything happened, in order of registration.
    virtual void at_end_of_turn(Task task) = 0;

    /// Runs `task` on another shard (or on this one). When the ring to that shard is full it waits
    /// in a local queue that has no bound of its own, only that of what callers have under way;
    /// `millrace_mailbox_waiting` counts it.
    virtual void post_to(ShardId shard, Task task) = 0;
    /// Runs `task` on this runtime's thread. Threads: any.
    virtual void post_from_outside(Task task) = 0;

    /// Listens with SO_REUSEPORT, beside what it listens on already; each call has its own
    /// `accept`. Returns the endpoint with the port that was bound.
    [[nodiscard]] virtual Result<Endpoint> listen(const Endpoint& endpoint, Accept accept) = 0;
    /// On no endpoint any more; connections stay.
    virtual void stop_listening() = 0;

    /// Connects to a server. `done` runs once, never before the call returns, with the connection
    /// or with why there is none. Only a runtime that runs no more drops it unheard.
    ///
    /// **Errors**: `connection_lost` (the system's text says why) and `timed_out`: try again after
    /// a rest; `shutting_down`: this runtime stops, and so should the caller; `configuration`: the
    /// address is not an IPv4 address.
    virtual void connect(const Endpoint& endpoint, Duration timeout, Connected done) = 0;
    /// As `listen`, for connections that do not count among those of clients: all of this kind
    /// together are at most `connections_max`.
    [[nodiscard]] virtual Result<Endpoint> listen_apart(const Endpoint& endpoint,
                                                        std::size_t connections_max,
                                                        Accept accept) = 0;
};

}  // namespace millrace::broker
