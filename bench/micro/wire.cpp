#include <benchmark/benchmark.h>

#include "client/wire/event_id.hpp"
#include "client/wire/message.hpp"
#include "client/wire/partitioner.hpp"
#include "client/wire/record_batch.hpp"
#include "client/wire/schema/records_generated.h"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::wire {
namespace {

constexpr std::size_t event_bytes = 256;

std::vector<std::byte> make_batch(std::int64_t records) {
    const std::string value(event_bytes, 'x');
    RecordBatchBuilder builder;
    for (std::int64_t i = 0; i < records; ++i) {
        builder.add({.key = "work order 4711",
                     .value = value,
                     .headers = {},
                     .event_time_us = 1'700'000'000'000'000 + i});
    }
    return builder.finish({.id = 7, .epoch = 0, .base_sequence = 0}).value();
}

void count(benchmark::State& state, std::size_t bytes, std::int64_t items) {
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
    state.SetItemsProcessed(items * state.iterations());
}

void batch_encode(benchmark::State& state) {
    std::size_t bytes = 0;
    for ([[maybe_unused]] const auto _ : state) {
        const auto batch = make_batch(state.range(0));
        bytes = batch.size();
        benchmark::DoNotOptimize(batch.data());
    }
    count(state, bytes, state.range(0));
}
BENCHMARK(batch_encode)->Arg(1)->Arg(16)->Arg(256);

void batch_validate(benchmark::State& state) {
    const auto batch = make_batch(state.range(0));
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(validate_batch(batch).has_value());
    }
    count(state, batch.size(), state.range(0));
}
BENCHMARK(batch_validate)->Arg(1)->Arg(16)->Arg(256);

void batch_visit(benchmark::State& state) {
    const auto batch = make_batch(state.range(0));
    for ([[maybe_unused]] const auto _ : state) {
        std::size_t bytes = 0;
        (void)visit_records(batch, [&](std::uint32_t, const RecordView& record) {
            bytes += record.value.size();
            return true;
        });
        benchmark::DoNotOptimize(bytes);
    }
    count(state, batch.size(), state.range(0));
}
BENCHMARK(batch_visit)->Arg(1)->Arg(16)->Arg(256);

/// What a broker does to a batch whose topic has a duplicate window.
void look_for_ids(benchmark::State& state, const std::vector<std::byte>& batch) {
    for ([[maybe_unused]] const auto _ : state) {
        std::uint64_t found = 0;
        (void)validate_batch(batch, [&](std::uint32_t, const RecordView& record) {
            found += event_id_of(record) ? 1U : 0U;
            return true;
        });
        benchmark::DoNotOptimize(found);
    }
    count(state, batch.size(), state.range(0));
}

void batch_ids_without_headers(benchmark::State& state) {
    look_for_ids(state, make_batch(state.range(0)));
}
BENCHMARK(batch_ids_without_headers)->Arg(1)->Arg(16)->Arg(256);

std::vector<std::byte> make_batch_with_ids(std::int64_t records, Codec codec) {
    const std::string value(event_bytes, 'x');
    RecordBatchBuilder builder;
    for (std::int64_t i = 0; i < records; ++i) {
        const auto id = "plant-7-" + std::to_string(i);
        builder.add({.key = "work order 4711",
                     .value = value,
                     .headers = {{.key = event_id_header, .value = id}},
                     .event_time_us = 1'700'000'000'000'000 + i});
    }
    return builder.finish({.id = 7, .epoch = 0, .base_sequence = 0}, codec).value();
}

void batch_ids(benchmark::State& state) {
    look_for_ids(state, make_batch_with_ids(state.range(0), Codec::none));
}
BENCHMARK(batch_ids)->Arg(1)->Arg(16)->Arg(256);

void batch_ids_zstd(benchmark::State& state) {
    look_for_ids(state, make_batch_with_ids(state.range(0), Codec::zstd));
}
BENCHMARK(batch_ids_zstd)->Arg(1)->Arg(16)->Arg(256);

void batch_ids_lz4(benchmark::State& state) {
    look_for_ids(state, make_batch_with_ids(state.range(0), Codec::lz4));
}
BENCHMARK(batch_ids_lz4)->Arg(1)->Arg(16)->Arg(256);

std::vector<std::byte> publish_frame(std::int64_t entries) {
    PublishRequestT message;
    std::vector<std::vector<std::byte>> batches;
    std::vector<std::span<const std::byte>> raw;
    for (std::int64_t i = 0; i < entries; ++i) {
        batches.push_back(make_batch(1));
        message.entries.emplace_back(static_cast<std::uint32_t>(i),
                                     static_cast<std::uint32_t>(batches.back().size()));
    }
    raw.assign(batches.begin(), batches.end());
    return format_message({.api = static_cast<std::uint16_t>(Api::publish)}, message, raw);
}

void frame_read(benchmark::State& state) {
    const auto frame = publish_frame(state.range(0));
    FrameReader reader;
    for ([[maybe_unused]] const auto _ : state) {
        (void)reader.feed(frame, [](const FrameView& view) {
            benchmark::DoNotOptimize(view.raw.data());
            return true;
        });
    }
    count(state, frame.size(), 1);
}
BENCHMARK(frame_read)->Arg(1)->Arg(100)->Arg(1000);

void publish_request_verify(benchmark::State& state) {
    const auto frame = publish_frame(state.range(0));
    FrameReader reader;
    std::vector<std::byte> table;
    (void)reader.feed(frame, [&](const FrameView& view) {
        table.assign(view.table.begin(), view.table.end());
        return true;
    });
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(verify_table<PublishRequest>(table).has_value());
    }
    count(state, table.size(), state.range(0));
}
BENCHMARK(publish_request_verify)->Arg(1)->Arg(100)->Arg(1000);

void settle_request_parse(benchmark::State& state) {
    SettleRequestT settle;
    settle.acks.resize(static_cast<std::size_t>(state.range(0)));
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(SettleRequest::Pack(builder, &settle));
    const auto table = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(parse_message<SettleRequest>(table).has_value());
    }
    count(state, table.size(), state.range(0));
}
BENCHMARK(settle_request_parse)->Arg(1)->Arg(256)->Arg(4096);

void key_partition(benchmark::State& state) {
    const std::string key(static_cast<std::size_t>(state.range(0)), 'k');
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(partition_of_key(key, 100));
    }
    count(state, key.size(), 1);
}
BENCHMARK(key_partition)->Arg(8)->Arg(64);

}  // namespace
}  // namespace millrace::wire
