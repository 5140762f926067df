#include <algorithm>

#include "client/src/consumer/consumer_impl.hpp"

// How a consumer reads ahead: what it asks the shards for, and what becomes of what comes.

namespace millrace {
namespace {

using wire::Api;

constexpr std::uint32_t fetch_wait_ms = 500;
constexpr std::uint32_t fetch_bytes_first = 4 * 1024;
constexpr std::uint32_t fetch_bytes_growth = 8;
constexpr std::chrono::milliseconds retry_delay{50};
constexpr std::size_t record_bytes_min = 7;  ///< not compressed

}  // namespace

void Consumer::Impl::fetch(std::uint32_t shard) {
    wire::FetchRequestT request;
    std::unique_lock lock(mutex_);
    const auto ahead = ready_.size() + (is_keeping_ ? 1 : 0);
    if (is_closed_ || ahead >= ahead_max_ || fetching_.contains(shard)) {
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
    Chunk chunk;
    bool goes_on = false;
    {
        const std::lock_guard lock(mutex_);
        if (epoch != epoch_ || is_closed_) {
            return;
        }
        if (parsed && !parsed.value().error) {
            goes_on = take(parsed.value(), answer.value()->raw, chunk);
        } else if (parsed && !parsed.value().error->retryable) {
            failure_ = client::from_wire(*parsed.value().error);
            arrived_.notify_all();
        }
        is_keeping_ = !chunk.parts.empty();
        if (goes_on) {
            fetching_.erase(shard);  // else it counts as under way until the pause is over
        }
    }
    // The broker reads on while this is decoded.
    goes_on ? fetch(shard) : fetch_later(shard, epoch);
    if (!chunk.parts.empty()) {
        chunk.runs = answer.value()->keep_raw();
        keep(std::move(chunk), epoch);
    }
}

void Consumer::Impl::keep(Chunk chunk, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    is_keeping_ = false;
    if (epoch == epoch_) {
        ready_.push_back(std::move(chunk));
        arrived_.notify_all();
    }
}

bool Consumer::Impl::take(const wire::FetchAnswerT& answer,
                          std::span<const std::byte> raw,
                          Chunk& chunk) {
    bool has_moved = false;
    bool has_refused = false;
    chunk.parts.reserve(answer.partitions.size());
    std::size_t run_end = 0;
    for (const auto& fetched : answer.partitions) {
        const auto run_begin = run_end;
        run_end += std::min<std::size_t>(fetched->run_bytes, raw.size() - run_begin);
        const auto run = raw.subspan(run_begin, run_end - run_begin);
        const auto found = positions_.find(fetched->partition_id);
        if (found == positions_.end()) {
            continue;
        }
        auto& position = found->second;
        const auto before = position.fetch;
        const auto extent = client::extent_of(run);
        position.fetch = std::max(before, extent.end.value);
        chunk.record_count += std::min(extent.record_count, run.size() / record_bytes_min);
        if (fetched->error) {
            take_error(*fetched, chunk);
            has_refused |= fetched->error->retryable;
        }
        has_moved |= position.fetch != before;
        chunk.parts.push_back({.partition_id = fetched->partition_id,
                               .from = before,
                               .next = position.fetch,
                               .run_begin = run_begin,
                               .run_bytes = run.size()});
    }
    return has_moved || !has_refused;
}

/// What is under way began behind it, and is dropped when it comes.
void Consumer::Impl::fetch_again() {
    for (auto& [id, position] : positions_) {
        position.fetch = position.delivered;
    }
    for (const auto& part : opened_.parts) {
        positions_[part.partition_id].fetch = part.next;
    }
    ++epoch_;
    ready_.clear();
    fetching_.clear();
    fetch_all_soon();
}

void Consumer::Impl::take_error(const wire::FetchedPartitionT& part, Chunk& chunk) {
    auto& position = positions_[part.partition_id];
    const auto code = static_cast<Errc>(part.error->code);
    if (code == Errc::corrupt) {
        chunk.damage.push_back({.topic = position.topic,
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

}  // namespace millrace
