#include <benchmark/benchmark.h>

#include "storage/base/crc32c.hpp"
#include "storage/base/units.hpp"
#include "storage/format/layout.hpp"
#include "storage/index/batch_index.hpp"

namespace millrace::storage {
namespace {

void count_bytes(benchmark::State& state) {
    state.SetBytesProcessed(state.range(0) * state.iterations());
}

void checksum_crc32c(benchmark::State& state) {
    const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{7});
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(crc32c(bytes));
    }
    count_bytes(state);
}
BENCHMARK(checksum_crc32c)->Arg(256)->Arg(16_KiB)->Arg(1_MiB);

void log_frame_encode(benchmark::State& state) {
    const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)), std::byte{7});
    std::vector<std::byte> out(frame_bytes(payload.size()));
    const FrameView frame{
        .entry_type = entry_type_records, .group = GroupId{1}, .payload = payload};
    for ([[maybe_unused]] const auto _ : state) {
        store_frame(out, frame, 42);
        benchmark::DoNotOptimize(out.data());
    }
    count_bytes(state);
}
BENCHMARK(log_frame_encode)->Arg(256)->Arg(16_KiB)->Arg(1_MiB);

void log_frame_verify(benchmark::State& state) {
    const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)), std::byte{7});
    std::vector<std::byte> out(frame_bytes(payload.size()));
    store_frame(
        out, {.entry_type = entry_type_records, .group = GroupId{1}, .payload = payload}, 42);
    for ([[maybe_unused]] const auto _ : state) {
        benchmark::DoNotOptimize(load_frame(out, 42).has_value());
    }
    count_bytes(state);
}
BENCHMARK(log_frame_verify)->Arg(256)->Arg(16_KiB)->Arg(1_MiB);

BatchHeader batch_of(std::uint32_t partition, std::uint64_t offset) {
    return {.partition = PartitionId{partition},
            .record_count = 1,
            .base_offset = Offset{offset},
            .append_time_us = static_cast<UnixMicros>(offset),
            .batch_bytes = 300};
}

/// An index with batches of so many partitions in turns; in one segment until it is sealed.
class IndexOver {
  public:
    explicit IndexOver(std::uint32_t partitions)
        : rows_(KeyValueStore::open("/index", std::make_shared<KeyValueMemory>()).value()),
          index(*rows_, cache_),
          partitions_(partitions) {}

    void add_one() {
        const auto number = added_++;
        index.add(segment_,
                  batch_of(static_cast<std::uint32_t>(number % partitions_), number / partitions_),
                  Position{number * 384});
    }
    void seal() {
        const auto job = index.begin_seal(segment_, {});
        KeyValueBatch batch;
        job.add_to(batch);
        (void)rows_->write(std::move(batch), Durability::later);
        (void)index.end_seal(job);
        segment_ = SegmentSequence{segment_.value + 1};
    }

  private:
    std::unique_ptr<KeyValueStore> rows_;
    MetricsRegistry metrics_;
    ChunkCache cache_{ShardId{0}, metrics_};
    SegmentSequence segment_{1};

  public:
    BatchIndex index;

  private:
    std::uint32_t partitions_;
    std::uint64_t added_ = 0;
};

void index_put(benchmark::State& state) {
    IndexOver over(static_cast<std::uint32_t>(state.range(0)));
    for ([[maybe_unused]] const auto _ : state) {
        over.add_one();
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(index_put)->Arg(1)->Arg(100)->Arg(10'000)->Iterations(200'000);

void index_seek(benchmark::State& state) {
    constexpr std::uint64_t batches = 100'000;
    IndexOver over(100);
    for (std::uint64_t i = 0; i < batches; ++i) {
        over.add_one();
    }
    std::uint64_t at = 0;
    for ([[maybe_unused]] const auto _ : state) {
        at = (at + 7919) % batches;
        const PartitionId partition{static_cast<std::uint32_t>(at % 100)};
        benchmark::DoNotOptimize(over.index.find(partition, Offset{at / 100}, 4_KiB).has_value());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(index_seek);

/// As many batches of one partition in sealed segments as the first argument says.
std::unique_ptr<IndexOver> sealed_index(std::uint64_t batches) {
    constexpr std::uint64_t batches_per_segment = 50'000;
    auto over = std::make_unique<IndexOver>(1);
    for (std::uint64_t i = 1; i <= batches; ++i) {
        over->add_one();
        if (i % batches_per_segment == 0) {
            over->seal();
        }
    }
    return over;
}

void index_seek_sealed(benchmark::State& state) {
    const auto batches = static_cast<std::uint64_t>(state.range(0));
    const auto over = sealed_index(batches);
    std::uint64_t at = 0;
    for ([[maybe_unused]] const auto _ : state) {
        at = (at + 7919) % batches;
        benchmark::DoNotOptimize(over->index.find(PartitionId{0}, Offset{at}, 4_KiB).has_value());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(index_seek_sealed)->Arg(100'000)->Arg(2'000'000);

/// Readers of so many partitions, each of which goes on by a batch, in turns.
void index_read_on(benchmark::State& state) {
    constexpr std::uint64_t batches_per_partition = 100;
    const auto partitions = static_cast<std::uint64_t>(state.range(0));
    IndexOver over(static_cast<std::uint32_t>(partitions));
    for (std::uint64_t i = 0; i < partitions * batches_per_partition; ++i) {
        over.add_one();
    }
    over.seal();
    std::uint64_t at = 0;
    for ([[maybe_unused]] const auto _ : state) {
        const PartitionId partition{static_cast<std::uint32_t>(at % partitions)};
        const Offset offset{at / partitions % batches_per_partition};
        benchmark::DoNotOptimize(over.index.find(partition, offset, 300).has_value());
        ++at;
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(index_read_on)->Arg(100)->Arg(10'000);

void index_seek_time(benchmark::State& state) {
    const auto batches = static_cast<std::uint64_t>(state.range(0));
    const auto over = sealed_index(batches);
    std::uint64_t at = 0;
    for ([[maybe_unused]] const auto _ : state) {
        at = (at + 7919) % batches;
        benchmark::DoNotOptimize(
            over->index.offset_at(PartitionId{0}, static_cast<UnixMicros>(at)).has_value());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(index_seek_time)->Arg(100'000)->Arg(2'000'000);

}  // namespace
}  // namespace millrace::storage
