#include "tests/unit/delivery/jobs/fake_shards.hpp"

#include <algorithm>

#include "broker/delivery/jobs/replay/origin.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::delivery::testing {

void FakeShards::add_topic(const std::string& name,
                           std::uint32_t partitions,
                           std::uint32_t first_id) {
    auto topic = std::make_shared<TopicInfo>();
    topic->name = name;
    for (std::uint32_t i = 0; i < partitions; ++i) {
        topic->partitions.push_back({.id = PartitionId{first_id + i},
                                     .group = GroupId{i % shard_count() + 1},
                                     .shard = ShardId{i % shard_count()}});
    }
    auto next = std::make_shared<CatalogView>(*view);
    next->topics[name] = topic;
    for (std::uint32_t i = 0; i < partitions; ++i) {
        next->partitions[topic->partitions[i].id] = {.topic = topic, .index = i};
    }
    view = next;
}

void FakeShards::append(ShardId shard, const Batch& batch) {
    wire::RecordBatchBuilder builder;
    for (const auto& record : batch.records) {
        builder.add(record);
    }
    const auto bytes = builder.finish({}).value();
    const BatchHeader header{.partition = batch.partition,
                             .record_count = static_cast<std::uint32_t>(batch.records.size()),
                             .base_offset = batch.base_offset,
                             .append_time_us = batch.append_time_us,
                             .batch_bytes = static_cast<std::uint32_t>(bytes.size())};
    std::vector<std::byte> page(header.run_bytes());
    store_batch_header(page, header);
    std::ranges::copy(bytes, page.begin() + BatchHeader::bytes);
    logs[shard.value].push_back(std::move(page));
}

void FakeShards::open_letter(std::uint64_t id, const std::string& key, Offset offset) {
    Letter letter{.id = id, .subscription = "q", .topic = "a.b", .partition = PartitionId{1}};
    letter.offset = offset;
    letter.key = key;
    letter.cause = Cause::mapping;
    letter.error = "no product";
    letter.actions.push_back({.time_us = 1, .action = "opened", .by = "broker", .text = ""});
    letter.record = wire::format_plain_record({.key = key, .value = "{\"n\":1}"});
    letters[id] = std::move(letter);
}

void FakeShards::settle_letter(std::uint64_t id, LetterState state) {
    letters.at(id).state = state;
}

Result<void> FakeShards::ensure_topic(TopicSpec spec) {
    if (!view->topics.contains(spec.name)) {
        add_topic(spec.name, spec.partition_count, 1'000);
    }
    return ok();
}

Result<storage::ScanCursor> FakeShards::scan_start(ShardId /*shard*/, UnixMicros /*time_us*/) {
    return storage::ScanCursor{.segment = SegmentSequence{1}, .position = Position{0}};
}

Result<storage::ScanResult> FakeShards::scan(ShardId shard,
                                             storage::ScanCursor from,
                                             std::size_t /*bytes_max*/) {
    const auto& pages = logs[shard.value];
    const auto at = from.position.value;
    if (at >= pages.size()) {
        return storage::ScanResult{.runs = {}, .next = from, .at_end = true};
    }
    return storage::ScanResult{.runs = pages[at],
                               .next = {.segment = from.segment, .position = Position{at + 1}},
                               .at_end = false};
}

Result<JobShards::Published> FakeShards::publish(ShardId /*shard*/, std::vector<JobBatch> batches) {
    if (!failures.empty()) {
        const auto error = failures.front();
        failures.erase(failures.begin());
        return error;
    }
    Published published;
    for (const auto& batch : batches) {
        if (batch.batch.size() > batch_bytes_max) {
            published.codes.push_back(Errc::record_too_large);
            continue;
        }
        const auto visited =
            wire::visit_records(batch.batch, [&](std::uint32_t, const wire::RecordView& record) {
                sent.push_back(
                    {.partition = batch.partition,
                     .key = std::string(record.key.value_or("")),
                     .value = std::string(record.value),
                     .replay_id = std::string(record.header(replay_id_header).value_or("")),
                     .origin = std::string(record.header(origin_header).value_or("")),
                     .event_time_us = record.event_time_us});
                return true;
            });
        published.codes.push_back(visited ? Errc::ok : visited.error().code);
    }
    return published;
}

Result<LetterPage> FakeShards::find_letters(ShardId shard, const LetterQuery& query) {
    LetterPage page{.letters = {}, .examined_upto = 0, .is_end = true};
    if (shard.value != 0) {
        return page;
    }
    for (const auto& [id, letter] : letters) {
        if (id <= query.after_id || letter.state != query.state.value_or(letter.state)) {
            continue;
        }
        if (page.letters.size() == query.limit) {
            page.is_end = false;
            break;
        }
        page.examined_upto = id;
        page.letters.push_back(letter);
    }
    return page;
}

Result<std::vector<Letter>> FakeShards::load_letters(ShardId /*shard*/, LetterIds wanted) {
    std::vector<Letter> found;
    for (const auto id : wanted.ids) {
        if (letters.contains(id)) {
            found.push_back(letters.at(id));
        }
    }
    return found;
}

Result<void> FakeShards::redrive(ShardId /*shard*/,
                                 const LetterSelection& selection,
                                 std::vector<LetterRedrive> redriven) {
    for (auto& one : redriven) {
        auto& letter = letters.at(one.id);
        if (letter.state != LetterState::open) {
            continue;
        }
        redriven_ids.push_back(one.id);
        letter.state = LetterState::redriven;
        letter.edited = std::move(one.edited);
        letter.actions.push_back(
            {.time_us = 2, .action = "redriven", .by = selection.by, .text = selection.reason});
        if (settles_at_once) {
            const bool fails = failing_keys.contains(letter.key);
            letter.state = fails ? LetterState::open : LetterState::resolved;
        }
    }
    return ok();
}

Result<Job> FakeShards::load_job(std::uint64_t job) {
    return jobs.at(job);
}

Result<void> FakeShards::commit(std::uint64_t job, const JobProgress& progress) {
    jobs[job].progress = progress;
    return ok();
}

Result<void> FakeShards::change(std::uint64_t job, const JobChange& change) {
    jobs[job].state = change.state;
    jobs[job].reason = change.reason;
    return ok();
}

}  // namespace millrace::broker::delivery::testing
