#include "tests/simulation/log_records.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "client/wire/record_batch.hpp"

namespace millrace::simulation {
namespace {

LogRecord record_of(const BatchHeader& header, Offset offset, const wire::RecordView& record) {
    LogRecord made{.partition = header.partition,
                   .offset = offset,
                   .append_time_us = header.append_time_us,
                   .key = {},
                   .value = std::string(record.value),
                   .headers = {}};
    if (record.key) {
        made.key = std::string(*record.key);
    }
    for (const auto& one : record.headers) {
        made.headers.emplace_back(one.key, one.value);
    }
    return made;
}

/// A batch may begin before the record that was asked for.
void take_batch(const BatchHeader& header,
                std::span<const std::byte> run,
                Offset from,
                std::vector<LogRecord>& found) {
    const auto take = [&](std::uint32_t number, const wire::RecordView& record) {
        const auto offset = header.base_offset + number;
        if (offset >= from) {
            found.push_back(record_of(header, offset, record));
        }
        return true;
    };
    EXPECT_TRUE(wire::visit_records(run.subspan(BatchHeader::bytes, header.batch_bytes), take));
}

void take_runs(std::span<const std::byte> runs, Offset from, std::vector<LogRecord>& found) {
    while (const auto header = load_batch_header(runs)) {
        take_batch(*header, runs, from, found);
        runs = runs.subspan(header->run_bytes());
    }
}

}  // namespace

wire::RecordView LogRecord::view() const {
    wire::RecordView made{.key = key, .value = value, .headers = {}, .event_time_us = 1};
    for (const auto& [name, text] : headers) {
        made.headers.push_back({.key = name, .value = text});
    }
    return made;
}

std::vector<LogRecord> read_log(const broker::testing::ShardFixture& fixture,
                                PartitionId partition,
                                Offset from) {
    std::vector<LogRecord> found;
    for (auto next = from;;) {
        const auto limits = fixture.shard->bounds(partition);
        if (!limits || next >= limits->next) {
            return found;
        }
        next = std::max(next, limits->first);
        const auto before = next;
        fixture.shard->read({.partition = partition, .from = next},
                            [&found, &next](const Result<storage::ReadResult>& result) {
                                ASSERT_TRUE(result) << result.error().text;
                                take_runs(result.value().runs, next, found);
                                // What retention took and a crash brought back may lie in segments
                                // that are gone.
                                next = result.value().damage ? result.value().skip_to
                                                             : result.value().next;
                            });
        fixture.runtime->run_until_idle();
        if (next == before) {
            return found;
        }
    }
}

std::vector<PartitionId> partitions_of(const broker::testing::ShardFixture& fixture,
                                       const std::string& topic) {
    std::vector<PartitionId> found;
    const auto view = fixture.shard->catalog().view();
    if (const auto at = view->topics.find(topic); at != view->topics.end()) {
        for (const auto& partition : at->second->partitions) {
            found.push_back(partition.id);
        }
    }
    return found;
}

}  // namespace millrace::simulation
