#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "broker/delivery/rules/permit_bank.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

/// Where the engines of a shard get their permits: each subscription has its bank on one shard,
/// reached through mailboxes.
///
/// Threads:  the shard's, except that others post to it through its runtime.
class PermitOffice {
  public:
    using Receive = std::function<void(std::uint32_t subscription, const PermitGrant& grant)>;
    /// The office of another shard. Only the pointer may be read from another thread.
    using Peer = std::function<PermitOffice*(ShardId shard)>;

    PermitOffice(Shard& shard, Peer peer, Receive receive);
    PermitOffice(const PermitOffice&) = delete;
    PermitOffice& operator=(const PermitOffice&) = delete;
    PermitOffice(PermitOffice&&) = delete;
    PermitOffice& operator=(PermitOffice&&) = delete;
    ~PermitOffice();

    /// The answer comes through `receive`, never before the call returns.
    void report(std::uint32_t subscription, const DispatchLimits& limits, PermitReport report);
    /// The subscription is gone.
    void forget(std::uint32_t subscription) { desks_.erase(subscription); }

  private:
    struct Desk {
        PermitBank bank;
        bool is_waiting = false;
    };
    void take(std::uint32_t subscription, const DispatchLimits& limits, PermitReport report);
    void give(std::uint32_t subscription);
    void send(ShardId to, std::function<void(PermitOffice&)> task);

    Shard& shard_;
    Peer peer_;
    Receive receive_;
    std::map<std::uint32_t, Desk> desks_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::delivery
