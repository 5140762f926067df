#include <string>

#include <benchmark/benchmark.h>

#include "broker/peers/frame_compression.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::peers {
namespace {

/// Batches of a plant's steps, as one message to another node has them.
std::vector<std::byte> make_entries(std::size_t bytes) {
    constexpr std::uint32_t records_per_batch = 64;
    Random random(1);
    std::vector<std::byte> entries;
    while (entries.size() < bytes) {
        wire::RecordBatchBuilder builder;
        for (std::uint32_t i = 0; i < records_per_batch; ++i) {
            const auto order = "WO-" + std::to_string(random.below(100'000));
            const auto value = R"({"order":")" + order +
                               R"(","activity":"Turning & Milling - Machine )" +
                               std::to_string(random.below(20)) + R"(","worker":"ID)" +
                               std::to_string(random.below(10'000)) + R"(","completed":)" +
                               std::to_string(random.below(50)) + R"(,"seconds":)" +
                               std::to_string(random.below(30'000)) + "}";
            builder.add({.key = order,
                         .value = value,
                         .headers = {},
                         .event_time_us = 1'700'000'000'000'000 + i});
        }
        const auto batch = builder.finish({.id = 7, .epoch = 0, .base_sequence = 0}).value();
        entries.insert(entries.end(), batch.begin(), batch.end());
    }
    entries.resize(bytes);
    return entries;
}

/// From `compressed_from`: how much smaller they became.
void count(benchmark::State& state, std::size_t compressed_from, std::size_t compressed) {
    state.SetBytesProcessed(static_cast<std::int64_t>(compressed_from) * state.iterations());
    state.counters["smaller"] =
        static_cast<double>(compressed_from) / static_cast<double>(compressed);
}

void frame_to_node(benchmark::State& state, wire::Codec codec) {
    const auto entries = make_entries(static_cast<std::size_t>(state.range(0)));
    MetricsRegistry metrics;
    const Compression compression(codec, metrics, ShardId{0});
    FrameCompressor compressor(compression, {codec});
    std::size_t bytes = 0;
    for ([[maybe_unused]] const auto _ : state) {
        const auto frame = compressor.format(PeerApi::message, 1, entries);
        bytes = frame.size();
        benchmark::DoNotOptimize(frame.data());
    }
    count(state, entries.size(), bytes);
}
BENCHMARK_CAPTURE(frame_to_node, none, wire::Codec::none)->Arg(4096)->Arg(65'536)->Arg(2'097'152);
BENCHMARK_CAPTURE(frame_to_node, lz4, wire::Codec::lz4)->Arg(4096)->Arg(65'536)->Arg(2'097'152);
BENCHMARK_CAPTURE(frame_to_node, zstd, wire::Codec::zstd)->Arg(4096)->Arg(65'536)->Arg(2'097'152);

void frame_from_node(benchmark::State& state, wire::Codec codec) {
    const auto entries = make_entries(static_cast<std::size_t>(state.range(0)));
    MetricsRegistry metrics;
    const Compression compression(codec, metrics, ShardId{0});
    const auto frame = FrameCompressor(compression, {codec}).format(PeerApi::message, 1, entries);
    const auto compressed = std::span(frame).subspan(wire::FrameHeader::bytes);
    for ([[maybe_unused]] const auto _ : state) {
        const auto plain = parse_compressed(compressed);
        benchmark::DoNotOptimize(plain.value().bytes.data());
    }
    count(state, entries.size(), compressed.size());
}
BENCHMARK_CAPTURE(frame_from_node, lz4, wire::Codec::lz4)->Arg(4096)->Arg(65'536)->Arg(2'097'152);
BENCHMARK_CAPTURE(frame_from_node, zstd, wire::Codec::zstd)->Arg(4096)->Arg(65'536)->Arg(2'097'152);

}  // namespace
}  // namespace millrace::broker::peers
