#include <algorithm>
#include <bit>

#include "client/src/consumer/consumer_impl.hpp"

// How a consumer reads ahead: what it asks the shards for, and what becomes of what comes.

namespace millrace {
namespace {

using wire::Api;

constexpr std::size_t chunks_ahead = 4;
constexpr std::uint32_t fetch_wait_ms = 500;
constexpr std::uint32_t fetch_bytes_first = 64 * 1024;
constexpr std::uint32_t fetch_bytes_growth = 4;
constexpr std::chrono::milliseconds retry_delay{50};
constexpr std::size_t record_bytes_min = 7;  ///< not compressed

}  // namespace

void Consumer::Impl::fetch(std::uint32_t shard) {
    wire::FetchRequestT request;
    std::unique_lock lock(mutex_);
    const auto ahead = ready_.size() + (is_decoding_ ? 1 : 0);
    if (is_closed_ || ahead >= chunks_ahead || fetching_.contains(shard)) {
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
    Arrived arrived;
    {
        const std::lock_guard lock(mutex_);
        if (epoch != epoch_ || is_closed_) {
            return;
        }
        if (parsed && !parsed.value().error) {
            arrived = take(parsed.value(), answer.value()->raw);
        } else if (parsed && !parsed.value().error->retryable) {
            failure_ = client::from_wire(*parsed.value().error);
            arrived_.notify_all();
        }
        if (arrived.goes_on) {
            fetching_.erase(shard);  // else it counts as under way until the pause is over
        }
        is_decoding_ = !arrived.parts.empty();
    }
    // The broker reads on while this is decoded.
    arrived.goes_on ? fetch(shard) : fetch_later(shard, epoch);
    decode(std::move(arrived), epoch);
}

Consumer::Impl::Arrived Consumer::Impl::take(const wire::FetchAnswerT& answer,
                                             std::span<const std::byte> raw) {
    Arrived arrived{.parts = {}, .names = names_};
    bool has_moved = false;
    bool has_refused = false;
    for (const auto& fetched : answer.partitions) {
        const auto run = raw.first(std::min<std::size_t>(fetched->run_bytes, raw.size()));
        raw = raw.subspan(run.size());
        const auto found = positions_.find(fetched->partition_id);
        if (found == positions_.end()) {
            continue;
        }
        auto& position = found->second;
        const auto before = position.fetch;
        const auto extent = client::extent_of(run);
        position.fetch = std::max(before, extent.end.value);
        arrived.record_count += std::min(extent.record_count, run.size() / record_bytes_min);
        if (fetched->error) {
            take_error(*fetched);
            has_refused |= fetched->error->retryable;
        }
        has_moved |= position.fetch != before;
        arrived.parts.push_back({.partition_id = fetched->partition_id,
                                 .from = before,
                                 .next = position.fetch,
                                 .run = run});
    }
    arrived.goes_on = has_moved || !has_refused;
    return arrived;
}

/// Without the lock, which who polls needs meanwhile. Answers of a shard come one after another, so
/// chunks are in order.
void Consumer::Impl::decode(Arrived arrived, std::uint64_t epoch) {
    if (arrived.parts.empty()) {
        return;
    }
    Chunk chunk;
    std::optional<Error> failure;
    // As large as it would have grown: glibc keeps twice the largest block that was mapped and
    // freed. With less it gives a chunk's records back to the kernel each time, and takes them
    // anew.
    chunk.records.reserve(std::bit_ceil(arrived.record_count));
    for (auto& part : arrived.parts) {
        const auto begin = chunk.records.size();
        const auto read =
            client::append_run(part.run, *arrived.names, Offset{part.from}, chunk.records);
        part.run = {};
        part.end = chunk.records.size();
        if (!read) {
            failure = read.error();
            part.next = part.end == begin ? part.from : chunk.records.back().offset + 1;
        }
    }
    chunk.parts = std::move(arrived.parts);
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_) {
        return;
    }
    is_decoding_ = false;
    if (failure) {
        failure_ = std::move(failure);
        fetch_again(chunk.parts);
    }
    ready_.push_back(std::move(chunk));
    arrived_.notify_all();
}

/// What is under way began behind them, and is dropped when it comes.
void Consumer::Impl::fetch_again(const std::vector<Part>& parts) {
    for (const auto& part : parts) {
        positions_[part.partition_id].fetch = part.next;
    }
    ++epoch_;
    fetching_.clear();
    core_->post([self = shared_from_this(), shards = shards()] { self->fetch_all(shards); });
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

}  // namespace millrace
