#include <algorithm>
#include <iterator>

#include "client/src/consumer/consumer_impl.hpp"
#include "client/src/offsets.hpp"

// A consumer as a member of its group: joining, heartbeats, commits, leaving.

namespace millrace {

using wire::Api;

namespace {

/// Where the group has a new generation the next `poll` joins it: nothing more is to be done.
template <class Work>
void unless_rebalancing(const Work& work) {
    try {
        work();
    } catch (const ClientError& error) {
        if (error.name() != name_of(Errc::rebalancing)) {
            throw;
        }
    }
}

}  // namespace

void Consumer::Impl::join() {
    wire::GroupJoinRequestT request;
    request.group = options_.group;
    {
        const std::lock_guard lock(mutex_);
        request.member_id = member_id_;
    }
    request.client_name = options_.client_name;
    request.topics = options_.topics;
    request.session_timeout_ms = static_cast<std::uint32_t>(options_.session_timeout.count());
    const auto answer = core_->call<wire::GroupJoinAnswer>(Api::group_join, std::move(request));
    {
        const std::lock_guard lock(mutex_);
        member_id_ = answer.member_id;
        generation_ = answer.generation;
        must_rejoin_ = false;
    }
    topics_ = core_->topics({});
    Offsets offsets;
    for (const auto& offset : answer.committed) {
        offsets[offset.partition_id()] = offset.offset();
    }
    std::vector<std::uint32_t> fresh;
    std::ranges::copy_if(answer.partition_ids, std::back_inserter(fresh), [&](std::uint32_t id) {
        return !offsets.contains(id);
    });
    const auto starts = starts_of(fresh);
    if (options_.start.at == StartAt::latest && !options_.start_offset && !starts.empty()) {
        // The end moves on: whoever joins next would begin behind what nobody has read.
        unless_rebalancing([&] { send_commit(starts); });
    }
    offsets.insert(starts.begin(), starts.end());
    assign(offsets);
}

/// What was given and not committed comes again, to this member or another.
void Consumer::Impl::rejoin() {
    if (commits_by_itself()) {
        try_commit();
    }
    try {
        join();
    } catch (const ClientError&) {
        const std::lock_guard lock(mutex_);
        must_rejoin_ = true;
        throw;
    }
}

void Consumer::Impl::heartbeat() {
    core_->post([self = shared_from_this()] {
        self->heartbeat_timer_.expires_after(self->options_.session_timeout / 4);
        self->heartbeat_timer_.async_wait([self](const auto& error) { self->beat(error); });
    });
}

void Consumer::Impl::beat(const boost::system::error_code& error) {
    wire::GroupHeartbeatRequestT request;
    request.group = options_.group;
    {
        const std::lock_guard lock(mutex_);
        if (error || is_closed_) {
            return;
        }
        request.member_id = member_id_;
        request.generation = generation_;
    }
    const auto generation = request.generation;
    core_->send(Api::group_heartbeat,
                std::move(request),
                [self = shared_from_this(), generation](const auto& answer) {
                    self->end_heartbeat(generation, answer);
                });
}

void Consumer::Impl::end_heartbeat(std::uint32_t generation,
                                   const Result<const wire::FrameView*>& answer) {
    const auto done = answer ? wire::parse_message<wire::Done>(answer.value()->table)
                             : Result<wire::DoneT>(answer.error());
    if (done && done.value().error) {
        const std::lock_guard lock(mutex_);
        // An answer of before the last join says nothing of what was joined.
        must_rejoin_ = must_rejoin_ || generation == generation_;
        arrived_.notify_all();
    }
    heartbeat();
}

bool Consumer::Impl::commits_by_itself() const {
    return !options_.group.empty() && options_.commit_interval.count() > 0;
}

void Consumer::Impl::commit_if_due() {
    if (commits_by_itself() && Clock::now() - last_commit_ >= options_.commit_interval) {
        try_commit();
    }
}

void Consumer::Impl::try_commit() {
    unless_rebalancing([this] { commit(); });
}

void Consumer::Impl::commit() {
    last_commit_ = Clock::now();
    if (options_.group.empty()) {
        return;
    }
    Offsets offsets;
    std::unique_lock lock(mutex_);
    for (const auto& [id, position] : positions_) {
        if (position.delivered != position.committed) {
            offsets[id] = position.delivered;
        }
    }
    lock.unlock();
    if (offsets.empty()) {
        return;
    }
    send_commit(offsets);
    lock.lock();
    for (const auto& [id, offset] : offsets) {
        positions_[id].committed = offset;
    }
}

void Consumer::Impl::send_commit(const Offsets& offsets) {
    wire::OffsetCommitRequestT request;
    request.group = options_.group;
    for (const auto& [id, offset] : offsets) {
        request.offsets.emplace_back(offset, id);
    }
    {
        const std::lock_guard lock(mutex_);
        request.member_id = member_id_;
        request.generation = generation_;
    }
    try {
        (void)core_->call<wire::Done>(Api::offset_commit, std::move(request));
    } catch (const ClientError& error) {
        if (error.name() == name_of(Errc::rebalancing)) {
            const std::lock_guard lock(mutex_);
            must_rejoin_ = true;
        }
        throw;
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
        if (commits_by_itself()) {
            try_commit();
        }
        wire::GroupLeaveRequestT request;
        request.group = options_.group;
        request.member_id = member_id_;
        (void)core_->call<wire::Done>(Api::group_leave, std::move(request));
    } catch (const ClientError&) {
        // The session times out by itself; what was not committed is read again.
    }
}

}  // namespace millrace
