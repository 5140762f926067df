#include "broker/delivery/reading/read_ahead.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::delivery {
namespace {

using Results = std::vector<Result<storage::ReadResult>>;

/// A failure or damage may be mended by the time somebody asks.
bool is_good(const Results& results) {
    return std::ranges::all_of(results,
                               [](const auto& result) { return result && !result.value().damage; });
}

std::size_t bytes_of(const Results& results) {
    std::size_t bytes = 0;
    for (const auto& result : results) {
        bytes += result ? result.value().runs.size() : 0;
    }
    return bytes;
}

/// What was read for one answers the other, too.
bool answers(const storage::ReadRequest& made, const storage::ReadRequest& asked) {
    return made.partition == asked.partition && made.from == asked.from &&
           made.bytes_max <= asked.bytes_max;
}

}  // namespace

struct ReadAhead::Chunk {
    Requests requests;
    std::size_t bytes_max = 0;
    std::size_t held_bytes = 0;  ///< as many as may come, until it is read
    bool is_read = false;
    Results results;
    SteadyTime read_at;
    storage::ReadAllDone done;  ///< of who has asked meanwhile
};

ReadAhead::ReadAhead(Shard& shard, std::size_t held_bytes_max)
    : shard_(shard),
      held_bytes_max_(held_bytes_max),
      used_(shard.metrics().counter("millrace_read_ahead_used_total",
                                    "Reads whose records were read from the disk before.",
                                    shard_label(shard.id()))),
      unused_(shard.metrics().counter("millrace_read_ahead_unused_total",
                                      "Reads ahead that nobody asked for in time.",
                                      shard_label(shard.id()))),
      refused_(shard.metrics().counter("millrace_read_ahead_refused_total",
                                       "Reads ahead for which there was no memory.",
                                       shard_label(shard.id()))),
      held_(shard.metrics().gauge("millrace_read_ahead_held_bytes",
                                  "Records that were read and are not asked for yet.",
                                  shard_label(shard.id()))) {}

void ReadAhead::read_all(const Requests& requests,
                         std::size_t runs_bytes_max,
                         storage::ReadAllDone done) {
    auto& store = shard_.store();
    const auto found = find(requests, runs_bytes_max);
    if (found == chunks_.end() || !is_there(requests)) {
        store.read_all(requests, runs_bytes_max, std::move(done));
        return;
    }
    const auto chunk = std::move(*found);
    chunks_.erase(found);
    note_held();
    used_.add(1);
    auto take = [&store, requests, runs_bytes_max, done = std::move(done)](Results results) {
        if (is_good(results)) {
            done(std::move(results));
        } else {
            store.read_all(requests, runs_bytes_max, done);
        }
    };
    if (chunk->is_read) {
        take(std::move(chunk->results));
    } else {
        chunk->done = std::move(take);
    }
}

void ReadAhead::begin(Requests requests, std::size_t runs_bytes_max) {
    if (requests.empty() || runs_bytes_max < chunk_bytes_min ||
        find(requests, runs_bytes_max) != chunks_.end()) {
        return;
    }
    if (held_bytes() + runs_bytes_max > held_bytes_max_) {
        refused_.add(1);
        return;
    }
    auto chunk = std::make_shared<Chunk>();
    chunk->requests = std::move(requests);
    chunk->bytes_max = runs_bytes_max;
    chunk->held_bytes = runs_bytes_max;
    chunks_.push_back(chunk);
    shard_.store().read_all(
        chunk->requests, runs_bytes_max, [chunk, &clock = shard_.runtime().clock()](Results read) {
            if (chunk->done) {
                chunk->done(std::move(read));
                return;
            }
            chunk->held_bytes = bytes_of(read);
            chunk->results = std::move(read);
            chunk->read_at = clock.steady_now();
            chunk->is_read = true;
        });
    note_held();
    sweep_later();
}

ReadAhead::Chunks::iterator ReadAhead::find(const Requests& requests, std::size_t runs_bytes_max) {
    return std::ranges::find_if(chunks_, [&](const auto& chunk) {
        return chunk->bytes_max <= runs_bytes_max &&
               std::ranges::equal(chunk->requests, requests, answers);
    });
}

bool ReadAhead::is_there(const Requests& requests) const {
    return std::ranges::all_of(requests, [this](const storage::ReadRequest& request) {
        const auto limits = shard_.bounds(request.partition);
        return limits && limits->first <= request.from;
    });
}

std::size_t ReadAhead::held_bytes() const {
    std::size_t bytes = 0;
    for (const auto& chunk : chunks_) {
        bytes += chunk->held_bytes;
    }
    return bytes;
}

void ReadAhead::sweep_later() {
    if (!std::exchange(will_sweep_, true)) {
        shard_.runtime().run_after(held_time_max, [this] { sweep(); });
    }
}

void ReadAhead::sweep() {
    will_sweep_ = false;
    const auto now = shard_.runtime().clock().steady_now();
    const auto gone = std::erase_if(chunks_, [&](const auto& chunk) {
        return chunk->is_read && now - chunk->read_at >= held_time_max;
    });
    unused_.add(gone);
    note_held();
    if (!chunks_.empty()) {
        sweep_later();
    }
}

void ReadAhead::note_held() {
    held_.set(static_cast<std::int64_t>(held_bytes()));
}

}  // namespace millrace::broker::delivery
