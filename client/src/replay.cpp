#include <algorithm>
#include <deque>
#include <iterator>
#include <limits>

#include "client/src/core.hpp"
#include "client/src/decode.hpp"
#include "client/src/replay_impl.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace {
namespace {

constexpr std::size_t read_records_max = 4096;

}  // namespace

Replay::Impl::Impl(std::shared_ptr<client::Core> core, ReplayOptions options)
    : core_(std::move(core)), options_(std::move(options)) {
    const auto hello = core_->hello();
    names_ =
        std::make_shared<client::PartitionNames>(client::names_of(core_->topics(options_.topics)));
    shards_.resize(hello.shard_count);
}

void Replay::Impl::fill(std::size_t index) {
    auto& shard = shards_[index];
    while (shard.records.empty() && !shard.is_done) {
        wire::ReplayReadRequestT request;
        request.shard = static_cast<std::uint32_t>(index);
        request.topics = options_.topics;
        request.from_us = options_.from_us;
        request.to_us = options_.to_us;
        if (shard.has_cursor) {
            request.cursor_segment = shard.segment;
            request.cursor_position = shard.position;
        }
        std::vector<std::byte> raw;
        const auto answer =
            core_->call<wire::ReplayReadAnswer>(wire::Api::replay_read, std::move(request), &raw);
        shard.has_cursor = true;
        shard.segment = answer.cursor_segment;
        shard.position = answer.cursor_position;
        shard.is_done = answer.at_end;
        const auto memory = std::make_shared<client::RecordMemory>(std::move(raw), names_);
        const auto runs =
            memory->bytes().first(std::min<std::size_t>(answer.run_bytes, memory->bytes().size()));
        std::vector<Record> records;
        const auto read = client::append_run(memory, runs, Offset{0}, records);
        shard.records.insert(shard.records.end(),
                             std::make_move_iterator(records.begin()),
                             std::make_move_iterator(records.end()));
        if (!read) {
            client::throw_error(read.error());
        }
    }
}

std::vector<Record> Replay::Impl::read() {
    std::vector<Record> merged;
    while (merged.size() < read_records_max) {
        for (std::size_t i = 0; i < shards_.size(); ++i) {
            fill(i);
        }
        constexpr auto never = std::numeric_limits<std::int64_t>::max();
        const auto first = std::ranges::min_element(shards_, {}, [](const Shard& shard) {
            return shard.records.empty() ? never : shard.records.front().append_time_us;
        });
        if (first == shards_.end() || first->records.empty()) {
            break;
        }
        merged.push_back(std::move(first->records.front()));
        first->records.pop_front();
    }
    return merged;
}

Replay::Replay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

std::vector<Record> Replay::read() {
    return impl_->read();
}

}  // namespace millrace
