#include "tests/unit/storage/store_fixture.hpp"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "client/wire/record_batch.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::storage::testing {
namespace {

constexpr std::uint16_t entry_type_state = 9;
constexpr std::string_view applied_key = "applied";

void visit_values(std::span<const std::byte> runs,
                  const std::function<void(const BatchHeader&, std::string)>& visit) {
    while (const auto header = load_batch_header(runs)) {
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        (void)wire::visit_records(batch, [&](auto, const wire::RecordView& record) {
            visit(*header, std::string(record.value));
            return true;
        });
        runs = runs.subspan(header->run_bytes());
    }
}

}  // namespace

std::vector<std::byte> make_run(PartitionId partition,
                                Offset offset,
                                UnixMicros time,
                                const std::string& text) {
    wire::RecordBatchBuilder builder;
    builder.add({.key = std::nullopt, .value = text, .headers = {}, .event_time_us = time});
    auto batch = builder.finish({}).value();
    wire::set_base_offset(batch, offset);
    const BatchHeader header{.partition = partition,
                             .record_count = 1,
                             .base_offset = offset,
                             .append_time_us = time,
                             .batch_bytes = static_cast<std::uint32_t>(batch.size())};
    std::vector<std::byte> run(header.run_bytes());
    store_batch_header(run, header);
    std::ranges::copy(batch, run.begin() + BatchHeader::bytes);
    return run;
}

StoreFixture::StoreFixture(std::uint64_t seed) : disk(seed) {
    options.directory = "/data/shard-00";
    options.segment_bytes = 64_KiB;
    options.first_segment_bytes = 32_KiB;
    options.commit_bytes_max = 16_KiB;
    options.tail_cache_bytes_max = 32_KiB;
    options.disk_reserve_bytes = 0;
    options.rewrite_below_live_percent = 0;  // commits of one record are mostly padding
    options.index_in_memory = true;
    options.background_inline = true;
}

bool StoreFixture::open() {
    next_.clear();
    last_index_ = {};
    applied_ = {};
    failure.reset();
    auto opened = ShardStore::open(disk, clock, metrics, options, *this);
    if (!opened) {
        open_error = opened.error();
        ADD_FAILURE() << open_error->text;
        return false;
    }
    store = std::move(opened).value();
    if (const auto row = store->get_state(applied_key).value()) {
        applied_ = RaftIndex{std::stoull(*row)};
    }
    last_index_ = std::max(last_index_, applied_);
    std::erase_if(pending_, [this](const Pending& p) { return p.index <= applied_; });
    // What recovery handed out is applied now, when there is a store to apply it to.
    for (const auto& pending : std::exchange(pending_, {})) {
        apply(pending);
        store->mark_applied(pending.commit);
    }
    return true;
}

void StoreFixture::crash() {
    disk.crash();
    close();
}

void StoreFixture::close() {
    pending_.clear();
    store.reset();
}

void StoreFixture::on_recovered_frame(const FrameView& frame, FramePlace place, bool in_state) {
    if (frame.kind != FrameKind::entry) {
        return;
    }
    last_index_ = frame.index;
    Pending pending{.commit = place.commit, .place = place, .index = frame.index};
    if (frame.entry_type == entry_type_records) {
        pending.run.assign(frame.payload.begin(), frame.payload.end());
    } else if (!in_state) {
        pending.key.assign(reinterpret_cast<const char*>(frame.payload.data()),
                           frame.payload.size());
    }
    pending_.push_back(std::move(pending));
}

void StoreFixture::apply(const Pending& pending) {
    if (!pending.run.empty()) {
        store->index_batches(pending.place, pending.run);
    }
    if (const auto equals = pending.key.find('='); equals != std::string::npos) {
        store->put_state(pending.key.substr(0, equals), pending.key.substr(equals + 1));
    }
    applied_ = pending.index;
}

Result<void> StoreFixture::publish(PartitionId partition, const std::string& text) {
    auto& next = next_.try_emplace(partition, store->bounds(partition).next).first->second;
    clock.advance(Duration(1));
    Pending pending{.partition = partition,
                    .text = text,
                    .run = make_run(partition, next, clock.unix_now(), text)};
    MILLRACE_TRY(pending.place,
                 store->append({.kind = FrameKind::entry,
                                .entry_type = entry_type_records,
                                .group = GroupId{1},
                                .batch_count = 1,
                                .index = last_index_ + 1,
                                .payload = pending.run}));
    pending.index = ++last_index_;
    pending.commit = pending.place.commit;
    ++next;
    pending_.push_back(std::move(pending));
    return ok();
}

void StoreFixture::put(const std::string& key, const std::string& value) {
    Pending pending{.key = key + "=" + value};
    const auto place = store->append({.kind = FrameKind::entry,
                                      .entry_type = entry_type_state,
                                      .group = GroupId{1},
                                      .index = last_index_ + 1,
                                      .payload = std::as_bytes(std::span(pending.key))});
    if (place) {
        pending.index = ++last_index_;
        pending.place = place.value();
        pending.commit = place.value().commit;
        pending_.push_back(std::move(pending));
    }
}

void StoreFixture::run() {
    store->submit();
    disk.drain();
    if (!failure) {
        (void)store->sync();
    }
    store->tick();
}

void StoreFixture::run_turns(int count) {
    for (int i = 0; i < count; ++i) {
        run();
    }
}

void StoreFixture::on_durable(CommitSequence commit) {
    while (!pending_.empty() && pending_.front().commit <= commit) {
        const auto pending = std::move(pending_.front());
        pending_.erase(pending_.begin());
        apply(pending);
        if (!pending.text.empty()) {
            acked[pending.partition].push_back(pending.text);
        }
        if (const auto equals = pending.key.find('='); equals != std::string::npos) {
            acked_state[pending.key.substr(0, equals)] = pending.key.substr(equals + 1);
        }
    }
    store->mark_applied(commit);
}

void StoreFixture::on_checkpoint(StateWriter& state) {
    state.put(applied_key, std::to_string(applied_.value));
    if (large_row_bytes > 0) {
        state.put("large", std::string(large_row_bytes, std::to_string(applied_.value).back()));
    }
}

std::uint64_t StoreFixture::counter(const std::string& name, const std::string& help) {
    return metrics.counter(name, help, {{"shard", "0"}}).value();
}

std::uint64_t StoreFixture::state_dumps() {
    return counter("millrace_storage_state_dumps_total",
                   "Copies of the whole state in the log, made so that old segments could be "
                   "recycled.");
}

std::uint64_t StoreFixture::state_dump_failures() {
    return counter("millrace_storage_state_dump_failures_total",
                   "Copies of the state that failed; old segments stay until one succeeds.");
}

std::uint64_t StoreFixture::rewritten_segments() {
    return counter("millrace_storage_rewritten_segments_total",
                   "Sealed segments written anew, ordered by partition and without what has "
                   "expired.");
}

std::uint64_t StoreFixture::rewrite_failures() {
    return counter("millrace_storage_rewrite_failures_total",
                   "Segments that could not be rewritten and stay as they are.");
}

Offset StoreFixture::ReadAll::take(const ReadResult& result) {
    visit_values(result.runs, [this](const BatchHeader&, std::string value) {
        values.push_back(std::move(value));
    });
    if (!result.damage) {
        return result.next;
    }
    damaged.push_back(result.next);
    return result.skip_to;
}

StoreFixture::ReadAll StoreFixture::read_all(PartitionId partition) {
    ReadAll all;
    const auto limits = store->bounds(partition);
    for (auto at = limits.first; at < limits.next;) {
        bool is_done = false;
        store->read({.partition = partition, .from = at, .bytes_max = 4096},
                    [&](Result<ReadResult> result) {
                        is_done = true;
                        EXPECT_TRUE(result) << result.error().text;
                        at = result ? all.take(result.value()) : limits.next;
                    });
        disk.drain();
        if (!is_done) {
            break;
        }
    }
    return all;
}

StoreFixture::ReadAll StoreFixture::scan_all(UnixMicros from) {
    ReadAll all;
    auto cursor = store->scan_start(from).value();
    const auto take = [&](const BatchHeader& header, std::string value) {
        if (header.append_time_us >= from) {
            all.values.push_back(std::move(value));
        }
    };
    for (bool at_end = false; !at_end;) {
        store->scan(cursor, 8192, [&](Result<ScanResult> result) {
            at_end = !result || result.value().at_end;
            cursor = result ? result.value().next : cursor;
            visit_values(result ? std::span<const std::byte>(result.value().runs)
                                : std::span<const std::byte>(),
                         take);
        });
        disk.drain();
    }
    return all;
}

}  // namespace millrace::storage::testing
