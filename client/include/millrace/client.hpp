#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "millrace/admin.hpp"
#include "millrace/consumer.hpp"
#include "millrace/jobs.hpp"
#include "millrace/producer.hpp"
#include "millrace/subscription.hpp"
#include "millrace/types.hpp"

namespace millrace {

struct ClientOptions {
    std::string brokers = "localhost:7117";  ///< host:port, more after commas
    std::string client_name = "millrace";
    /// For a request to find a broker; those named share it, each an equal part of every round.
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds request_timeout{30'000};
    /// A connection on which nothing came for so long, not even the answer to a probe that is sent
    /// after half of it, counts as lost.
    std::chrono::milliseconds silence_max{30'000};
    std::chrono::milliseconds backoff_min{50};
    std::chrono::milliseconds backoff_max{2'000};
    /// Also takes a node of a cluster that follows another. Such a one answers
    /// `Admin::cluster_status`; whatever else is asked ends with not_leader.
    bool any_node = false;
};

/// The way to a broker. Connects at the first use, reconnects by itself, and runs one thread of its
/// own.
///
///     millrace::Client client{{.brokers = "localhost:7117"}};
///     auto producer = client.producer("plant1.mes.workorder.finished");
///     producer.send({.key = "WO-1001", .value = json}).get();  // durable when it returns
///
/// Threads:  any. Outlives what it makes.
class Client {
  public:
    explicit Client(ClientOptions options = {});
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    [[nodiscard]] Producer producer(const std::string& topic, ProducerOptions options = {});
    [[nodiscard]] Consumer consumer(ConsumerOptions options);
    [[nodiscard]] Subscription subscribe(const std::string& name, SubscribeOptions options = {});
    [[nodiscard]] Replay replay(ReplayOptions options);
    [[nodiscard]] Admin admin();
    [[nodiscard]] Jobs jobs();

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace
