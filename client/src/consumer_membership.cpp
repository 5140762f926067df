#include "client/src/consumer_impl.hpp"

// A consumer as a member of its group: joining, heartbeats, commits, leaving.

namespace millrace {

using wire::Api;

void Consumer::Impl::join() {
    wire::GroupJoinRequestT request;
    request.group = options_.group;
    request.member_id = member_id_;
    request.client_name = options_.client_name;
    request.topics = options_.topics;
    request.session_timeout_ms = static_cast<std::uint32_t>(options_.session_timeout.count());
    const auto answer = core_->call<wire::GroupJoinAnswer>(Api::group_join, std::move(request));
    member_id_ = answer.member_id;
    generation_ = answer.generation;
    std::map<std::uint32_t, std::uint64_t> committed;
    for (const auto& offset : answer.committed) {
        committed[offset.partition_id()] = offset.offset();
    }
    assign(answer.partition_ids, committed);
}

void Consumer::Impl::heartbeat() {
    core_->post([self = shared_from_this()] {
        self->heartbeat_timer_.expires_after(self->options_.session_timeout / 4);
        self->heartbeat_timer_.async_wait([self](const auto& error) { self->beat(error); });
    });
}

void Consumer::Impl::beat(const boost::system::error_code& error) {
    if (error || is_closed_) {
        return;
    }
    wire::GroupHeartbeatRequestT request;
    request.group = options_.group;
    request.member_id = member_id_;
    request.generation = generation_;
    core_->send(Api::group_heartbeat,
                std::move(request),
                [self = shared_from_this()](const auto& answer) { self->end_heartbeat(answer); });
}

void Consumer::Impl::end_heartbeat(const Result<const wire::FrameView*>& answer) {
    const auto done = answer ? wire::parse_message<wire::Done>(answer.value()->table)
                             : Result<wire::DoneT>(answer.error());
    if (done && done.value().error) {
        const std::lock_guard lock(mutex_);
        must_rejoin_ = true;
        arrived_.notify_all();
    }
    heartbeat();
}

void Consumer::Impl::commit_if_due() {
    if (!options_.group.empty() && options_.commit_interval.count() > 0 &&
        Clock::now() - last_commit_ >= options_.commit_interval) {
        commit();
    }
}

void Consumer::Impl::commit() {
    last_commit_ = Clock::now();
    if (options_.group.empty()) {
        return;
    }
    wire::OffsetCommitRequestT request;
    request.group = options_.group;
    request.member_id = member_id_;
    request.generation = generation_;
    {
        const std::lock_guard lock(mutex_);
        for (auto& [id, position] : positions_) {
            if (position.delivered != position.committed) {
                request.offsets.emplace_back(position.delivered, id);
                position.committed = position.delivered;
            }
        }
    }
    if (request.offsets.empty()) {
        return;
    }
    try {
        (void)core_->call<wire::Done>(Api::offset_commit, std::move(request));
    } catch (const ClientError& error) {
        // A member of an older generation has lost its partitions: others read from what was
        // committed before.
        if (error.name() != name_of(Errc::rebalancing)) {
            throw;
        }
        const std::lock_guard lock(mutex_);
        must_rejoin_ = true;
    }
}

void Consumer::Impl::close() {
    {
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
    }
    core_->post([self = shared_from_this()] { self->heartbeat_timer_.cancel(); });
    if (options_.group.empty()) {
        return;
    }
    try {
        commit();
        wire::GroupLeaveRequestT request;
        request.group = options_.group;
        request.member_id = member_id_;
        (void)core_->call<wire::Done>(Api::group_leave, std::move(request));
    } catch (const ClientError&) {
        // The session times out by itself; what was not committed is read again.
    }
}

}  // namespace millrace
