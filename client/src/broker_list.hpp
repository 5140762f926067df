#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::client {

/// The brokers of a cluster that a client knows, and which of them it is to try.
///
/// Threads:  one at a time.
class BrokerList {
  public:
    using Broker = std::pair<std::string, std::string>;  ///< host, port

    /// "a:7117,b": without a port it is 7117, without anything localhost.
    explicit BrokerList(const std::string& text);

    [[nodiscard]] const Broker& current() const { return brokers_[current_]; }
    [[nodiscard]] std::size_t size() const { return brokers_.size(); }
    /// What the current one says of the cluster, host:port each; takes the place of what was learnt
    /// before. `names_leader`: the first is said to lead, and is tried next.
    void learn(const std::vector<std::string>& nodes, bool names_leader);
    /// The current one is of use: whose turn it is counts from there.
    void keep_current() { turn_ = current_; }
    /// The current one is of no use: to the one that was named, or whose turn it is.
    void advance();

  private:
    [[nodiscard]] std::size_t place_of(const Broker& broker);

    std::vector<Broker> brokers_;  ///< those that were named, and behind them those learnt
    std::size_t named_ = 0;
    std::size_t current_ = 0;
    std::size_t turn_ = 0;
    std::optional<std::size_t> leader_;
};

}  // namespace millrace::client
