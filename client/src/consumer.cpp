#include "millrace/consumer.hpp"

#include <algorithm>
#include <iterator>

#include "client/src/consumer_impl.hpp"
#include "client/src/offsets.hpp"

namespace millrace {
namespace {

using wire::Api;

constexpr std::size_t chunks_ahead = 4;
constexpr std::uint32_t fetch_wait_ms = 500;
constexpr std::uint32_t fetch_bytes_first = 64 * 1024;
constexpr std::uint32_t fetch_bytes_growth = 4;
constexpr std::chrono::milliseconds retry_delay{50};

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
    std::set<std::uint32_t> shards;
    client::PartitionNames names;
    const auto is_wanted = [&offsets](const auto& partition) {
        return offsets.contains(partition.partition_id);
    };
    for (const auto& topic : topics_) {
        client::add_names(topic, names);
        for (const auto& partition : partitions_where(topic, is_wanted)) {
            const auto at = offsets.at(partition.partition_id);
            positions[partition.partition_id] = {.shard = partition.shard,
                                                 .index = partition.index,
                                                 .topic = topic.name,
                                                 .fetch = at,
                                                 .delivered = at,
                                                 .committed = at};
            shards.insert(partition.shard);
        }
    }
    {
        const std::lock_guard lock(mutex_);
        ++epoch_;
        positions_ = std::move(positions);
        names_ = std::move(names);
        ready_.clear();
        fetching_.clear();
        fetch_bytes_.clear();
    }
    core_->post([self = shared_from_this(), shards] { self->fetch_all(shards); });
}

void Consumer::Impl::fetch(std::uint32_t shard) {
    wire::FetchRequestT request;
    std::unique_lock lock(mutex_);
    if (is_closed_ || ready_.size() >= chunks_ahead || fetching_.contains(shard)) {
        return;
    }
    // The first records of a seek should not wait for millions behind them.
    auto& next_bytes = fetch_bytes_.try_emplace(shard, fetch_bytes_first).first->second;
    request.bytes_max = std::min(next_bytes, options_.fetch_bytes_max);
    for (const auto& [id, position] : positions_) {
        if (position.shard == shard) {
            request.partitions.emplace_back(position.fetch, id, request.bytes_max);
        }
    }
    if (request.partitions.empty()) {
        return;
    }
    fetching_.insert(shard);
    next_bytes = request.bytes_max > options_.fetch_bytes_max / fetch_bytes_growth
                     ? options_.fetch_bytes_max
                     : request.bytes_max * fetch_bytes_growth;
    const auto epoch = epoch_;
    lock.unlock();
    request.wait_max_ms = fetch_wait_ms;
    core_->send(
        Api::fetch,
        std::move(request),
        [self = shared_from_this(), shard, epoch](const Result<const wire::FrameView*>& answer) {
            self->fetched(shard, epoch, answer);
        });
}

void Consumer::Impl::fetch_later(std::uint32_t shard, std::uint64_t epoch) {
    auto timer = std::make_shared<boost::asio::steady_timer>(core_->context(), retry_delay);
    timer->async_wait([self = shared_from_this(), shard, epoch, timer](const auto&) {
        if (self->ends_fetch(shard, epoch)) {
            self->fetch(shard);
        }
    });
}

bool Consumer::Impl::ends_fetch(std::uint32_t shard, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    return epoch == epoch_ && fetching_.erase(shard) > 0;
}

void Consumer::Impl::fetched(std::uint32_t shard,
                             std::uint64_t epoch,
                             const Result<const wire::FrameView*>& answer) {
    const auto parsed = answer ? wire::parse_message<wire::FetchAnswer>(answer.value()->table)
                               : Result<wire::FetchAnswerT>(answer.error());
    bool goes_on = false;
    {
        const std::lock_guard lock(mutex_);
        if (epoch != epoch_ || is_closed_) {
            return;
        }
        if (parsed && !parsed.value().error) {
            goes_on = take(parsed.value(), answer.value()->raw);
        } else if (parsed && !parsed.value().error->retryable) {
            failure_ = client::from_wire(*parsed.value().error);
        }
        if (goes_on) {
            fetching_.erase(shard);  // else it counts as under way until the pause is over
        }
        arrived_.notify_all();
    }
    goes_on ? fetch(shard) : fetch_later(shard, epoch);
}

bool Consumer::Impl::take(const wire::FetchAnswerT& answer, std::span<const std::byte> raw) {
    Chunk chunk;
    bool has_moved = false;
    bool has_refused = false;
    for (const auto& part : answer.partitions) {
        const auto runs = raw.first(std::min<std::size_t>(part->run_bytes, raw.size()));
        raw = raw.subspan(runs.size());
        const auto found = positions_.find(part->partition_id);
        if (found == positions_.end()) {
            continue;
        }
        auto& position = found->second;
        const auto before = position.fetch;
        const auto read = client::visit_run(
            runs, names_, Offset{position.fetch}, [&](const BatchHeader& header, Record record) {
                position.fetch = header.last_offset().value + 1;
                chunk.records.push_back(std::move(record));
            });
        if (!read) {
            failure_ = read.error();
        }
        if (part->error) {
            take_error(*part);
            has_refused |= part->error->retryable;
        }
        has_moved |= position.fetch != before;
        chunk.next[part->partition_id] = position.fetch;
    }
    if (!chunk.next.empty()) {
        ready_.push_back(std::move(chunk));
    }
    return has_moved || !has_refused;
}

void Consumer::Impl::take_error(const wire::FetchedPartitionT& part) {
    auto& position = positions_[part.partition_id];
    const auto code = static_cast<Errc>(part.error->code);
    if (code == Errc::corrupt) {
        damage_.push_back({.topic = position.topic,
                           .partition = position.index,
                           .first_offset = position.fetch,
                           .next_offset = part.skip_to,
                           .text = part.error->text});
        position.fetch = std::max(part.skip_to, position.fetch + 1);
    } else if (code == Errc::offset_out_of_range) {
        // Retention has passed by, or the offset is from another life of the topic.
        position.fetch = std::clamp(position.fetch, part.first_offset, part.next_offset);
    } else if (!part.error->retryable) {
        failure_ = client::from_wire(*part.error);
    }
}

void Consumer::Impl::fetch_all(const std::set<std::uint32_t>& shards) {
    for (const auto shard : shards) {
        fetch(shard);
    }
}

std::uint64_t Consumer::Impl::end_of(const std::vector<Record>& records, const Position& position) {
    const auto last =
        std::ranges::find_if(records.rbegin(), records.rend(), [&position](const Record& record) {
            return record.partition == position.index && record.topic == position.topic;
        });
    return last == records.rend() ? position.delivered : last->offset + 1;
}

std::vector<Record> Consumer::Impl::take_ready(std::size_t records_max) {
    auto& chunk = ready_.front();
    if (chunk.records.size() > records_max) {
        const auto end = chunk.records.begin() + static_cast<std::ptrdiff_t>(records_max);
        std::vector<Record> first(std::make_move_iterator(chunk.records.begin()),
                                  std::make_move_iterator(end));
        chunk.records.erase(chunk.records.begin(), end);
        for (auto& [id, position] : positions_) {
            position.delivered = end_of(first, position);
        }
        return first;
    }
    for (const auto& [id, next] : chunk.next) {
        positions_[id].delivered = next;
    }
    auto records = std::move(chunk.records);
    ready_.pop_front();
    return records;
}

std::vector<Record> Consumer::Impl::poll(std::chrono::milliseconds wait_max,
                                         std::size_t records_max) {
    const auto deadline = Clock::now() + wait_max;
    commit_if_due();
    std::unique_lock lock(mutex_);
    while (true) {
        arrived_.wait_until(
            lock, deadline, [this] { return !ready_.empty() || failure_ || must_rejoin_; });
        if (must_rejoin_) {
            lock.unlock();
            rejoin();
            lock.lock();
            continue;
        }
        if (ready_.empty() && failure_) {
            client::throw_error(*std::exchange(failure_, std::nullopt));
        }
        if (ready_.empty()) {
            return {};
        }
        auto records = take_ready(records_max);
        std::set<std::uint32_t> shards;
        for (const auto& [id, position] : positions_) {
            shards.insert(position.shard);
        }
        core_->post([self = shared_from_this(), shards] { self->fetch_all(shards); });
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
