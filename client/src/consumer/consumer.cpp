#include "millrace/consumer.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

#include "client/src/consumer/consumer_impl.hpp"
#include "client/src/offsets.hpp"

namespace millrace {
namespace {

template <class Predicate>
std::vector<TopicPartition> partitions_where(const TopicDescription& topic,
                                             const Predicate& is_wanted) {
    std::vector<TopicPartition> found;
    std::ranges::copy_if(topic.partitions, std::back_inserter(found), is_wanted);
    return found;
}

}  // namespace

Consumer::Impl::Impl(std::shared_ptr<client::Core> core, ConsumerOptions options)
    : core_(std::move(core)), options_(std::move(options)), heartbeat_timer_(core_->context()) {}

void Consumer::Impl::start() {
    if (options_.group.empty()) {
        assign_alone();
    } else {
        join();
        heartbeat();
    }
}

Consumer::Impl::Offsets Consumer::Impl::starts_of(const std::vector<std::uint32_t>& partition_ids) {
    if (!options_.start_offset) {
        return client::offsets_at(*core_, partition_ids, options_.start);
    }
    Offsets starts;
    for (const auto id : partition_ids) {
        starts[id] = *options_.start_offset;
    }
    return starts;
}

void Consumer::Impl::assign_alone() {
    topics_ = core_->topics(options_.topics);
    if (topics_.empty()) {
        client::throw_error(fail(
            Errc::unknown_topic,
            "no topic matches " +
                (options_.topics.empty() ? std::string("anything") : options_.topics.front())));
    }
    std::vector<std::uint32_t> ids;
    const auto is_wanted = [this](const auto& partition) {
        return options_.partition.value_or(partition.index) == partition.index;
    };
    for (const auto& topic : topics_) {
        for (const auto& partition : partitions_where(topic, is_wanted)) {
            ids.push_back(partition.partition_id);
        }
    }
    assign(starts_of(ids));
}

void Consumer::Impl::assign(const Offsets& offsets) {
    std::map<std::uint32_t, Position> positions;
    names_ = std::make_shared<client::PartitionNames>(client::names_of(topics_));
    opened_ = {};
    const auto is_wanted = [&offsets](const auto& partition) {
        return offsets.contains(partition.partition_id);
    };
    for (const auto& topic : topics_) {
        for (const auto& partition : partitions_where(topic, is_wanted)) {
            const auto at = offsets.at(partition.partition_id);
            positions[partition.partition_id] = {.shard = partition.shard,
                                                 .index = partition.index,
                                                 .topic = topic.name,
                                                 .fetch = at,
                                                 .delivered = at,
                                                 .committed = at};
        }
    }
    const std::lock_guard lock(mutex_);
    ++epoch_;
    positions_ = std::move(positions);
    ready_.clear();
    ahead_max_ = 1;
    fetching_.clear();
    fetch_bytes_.clear();
    fetch_all_soon();
}

std::set<std::uint32_t> Consumer::Impl::shards() const {
    std::set<std::uint32_t> shards;
    for (const auto& [id, position] : positions_) {
        shards.insert(position.shard);
    }
    return shards;
}

void Consumer::Impl::fetch_all_soon() {
    core_->post([self = shared_from_this(), shards = shards()] { self->fetch_all(shards); });
}

void Consumer::Impl::decode(Chunk chunk) {
    // As large as it would have grown: glibc keeps twice the largest block that was mapped and
    // freed. With less it gives a chunk's records back to the kernel each time, and takes them
    // anew.
    opened_.records.reserve(std::bit_ceil(chunk.record_count));
    const auto memory = std::make_shared<client::RecordMemory>(std::move(chunk.runs), names_);
    for (auto& part : opened_.parts) {
        const auto begin = opened_.records.size();
        const auto run = memory->bytes().subspan(part.run_begin, part.run_bytes);
        const auto read = client::append_run(memory, run, Offset{part.from}, opened_.records);
        part.end = opened_.records.size();
        if (!read) {
            opened_.failure = read.error();
            part.next = part.end == begin ? part.from : opened_.records.back().offset + 1;
        }
    }
}

void Consumer::Impl::open_next(std::unique_lock<std::mutex>& lock) {
    auto chunk = std::move(ready_.front());
    ready_.pop_front();
    if (ahead_max_ > 1) {
        fetch_all_soon();
    }
    std::ranges::move(chunk.damage, std::back_inserter(damage_));
    lock.unlock();
    opened_ = {.parts = std::move(chunk.parts), .records = {}, .failure = std::nullopt};
    try {
        decode(std::move(chunk));
    } catch (...) {  // no memory: what was not decoded was not given
        lock.lock();
        opened_ = {};
        fetch_again();
        throw;
    }
    lock.lock();
    if (opened_.failure) {
        fetch_again();
    }
}

std::vector<Record> Consumer::Impl::give(std::size_t records_max) {
    const auto begin = opened_.given;
    const auto end = begin + std::min(records_max, opened_.records.size() - begin);
    const bool is_last = end == opened_.records.size();
    std::size_t part_begin = 0;
    for (const auto& part : opened_.parts) {
        if (part.end <= end) {
            positions_[part.partition_id].delivered = part.next;
        } else if (part_begin < end) {
            positions_[part.partition_id].delivered = opened_.records[end - 1].offset + 1;
        }
        part_begin = part.end;
    }
    std::vector<Record> given;
    if (begin == 0 && is_last) {
        given = std::move(opened_.records);
    } else {
        const auto records = std::span(opened_.records).subspan(begin, end - begin);
        given.assign(std::make_move_iterator(records.begin()),
                     std::make_move_iterator(records.end()));
    }
    opened_.given = end;
    if (is_last) {
        opened_ = {.parts = {}, .records = {}, .failure = std::move(opened_.failure)};
        if (std::exchange(ahead_max_, chunks_ahead) == 1) {
            fetch_all_soon();
        }
    }
    return given;
}

std::vector<Record> Consumer::Impl::poll(std::chrono::milliseconds wait_max,
                                         std::size_t records_max) {
    const auto deadline = Clock::now() + wait_max;
    commit_if_due();
    std::unique_lock lock(mutex_);
    while (true) {
        arrived_.wait_until(lock, deadline, [this] {
            return !opened_.is_given() || opened_.failure || !ready_.empty() || failure_ ||
                   must_rejoin_;
        });
        if (must_rejoin_) {
            lock.unlock();
            rejoin();
            lock.lock();
            continue;
        }
        if (opened_.is_given() && opened_.failure) {
            client::throw_error(*std::exchange(opened_.failure, std::nullopt));
        }
        if (opened_.is_given() && !ready_.empty()) {
            open_next(lock);
        }
        if (opened_.is_given() && failure_) {
            client::throw_error(*std::exchange(failure_, std::nullopt));
        }
        if (opened_.is_given()) {
            return {};
        }
        auto records = give(records_max);
        if (!records.empty()) {
            return records;
        }
    }
}

std::vector<Damage> Consumer::Impl::damage() {
    const std::lock_guard lock(mutex_);
    return std::exchange(damage_, {});
}

bool Consumer::Impl::is_caught_up() {
    if (!ends_) {
        std::vector<std::uint32_t> ids;
        std::unique_lock lock(mutex_);
        for (const auto& [id, position] : positions_) {
            ids.push_back(id);
        }
        lock.unlock();
        ends_ = client::offsets_at(*core_, ids, {.at = StartAt::latest});
    }
    const std::lock_guard lock(mutex_);
    return std::ranges::all_of(*ends_, [this](const auto& end) {
        const auto found = positions_.find(end.first);
        return found == positions_.end() || found->second.delivered >= end.second;
    });
}

std::vector<TopicPartition> Consumer::Impl::assignment() const {
    const std::lock_guard lock(mutex_);
    std::vector<TopicPartition> partitions;
    for (const auto& [id, position] : positions_) {
        partitions.push_back(
            {.index = position.index, .partition_id = id, .shard = position.shard});
    }
    return partitions;
}

Consumer::Consumer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}
// NOLINTNEXTLINE(bugprone-exception-escape): posting fails only for want of memory
Consumer::~Consumer() {
    if (impl_) {
        impl_->close();
    }
}
std::vector<Record> Consumer::poll(std::chrono::milliseconds wait_max, std::size_t records_max) {
    return impl_->poll(wait_max, records_max);
}
void Consumer::commit() {
    impl_->commit();
}
std::vector<Damage> Consumer::damage() {
    return impl_->damage();
}
bool Consumer::is_caught_up() {
    return impl_->is_caught_up();
}
std::vector<TopicPartition> Consumer::assignment() const {
    return impl_->assignment();
}

}  // namespace millrace
