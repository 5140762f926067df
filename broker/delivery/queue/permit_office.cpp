#include "broker/delivery/queue/permit_office.hpp"

#include <utility>

namespace millrace::broker::delivery {

PermitOffice::PermitOffice(Shard& shard, Peer peer, Receive receive)
    : shard_(shard), peer_(std::move(peer)), receive_(std::move(receive)) {}

PermitOffice::~PermitOffice() {
    *is_alive_ = false;
}

void PermitOffice::send(ShardId to, std::function<void(PermitOffice&)> task) {
    if (to != shard_.id()) {
        shard_.runtime().post_to(to,
                                 [peer = peer_, to, task = std::move(task)] { task(*peer(to)); });
        return;
    }
    shard_.runtime().post([this, alive = is_alive_, task = std::move(task)] {
        if (*alive) {
            task(*this);
        }
    });
}

void PermitOffice::report(std::uint32_t subscription,
                          const DispatchLimits& limits,
                          PermitReport report) {
    report.from = shard_.id();
    const ShardId bank{subscription % shard_.options().shard_count};
    send(bank, [subscription, limits, report](PermitOffice& office) {
        office.take(subscription, limits, report);
    });
}

void PermitOffice::take(std::uint32_t subscription,
                        const DispatchLimits& limits,
                        PermitReport report) {
    auto& bank = desks_[subscription].bank;
    bank.limit(limits, shard_.runtime().clock().steady_now());
    bank.take(report);
    give(subscription);
}

void PermitOffice::give(std::uint32_t subscription) {
    const auto found = desks_.find(subscription);
    if (found == desks_.end()) {
        return;
    }
    auto& desk = found->second;
    for (const auto& grant : desk.bank.give(shard_.runtime().clock().steady_now())) {
        send(grant.to,
             [subscription, grant](PermitOffice& office) { office.receive_(subscription, grant); });
    }
    const auto wait = desk.bank.wait();
    if (!wait || std::exchange(desk.is_waiting, true)) {
        return;
    }
    shard_.runtime().run_after(*wait, [this, alive = is_alive_, subscription] {
        if (!*alive) {
            return;
        }
        if (const auto waiting = desks_.find(subscription); waiting != desks_.end()) {
            waiting->second.is_waiting = false;
        }
        give(subscription);
    });
}

}  // namespace millrace::broker::delivery
