#include "storage/format/append_order.hpp"

#include <algorithm>
#include <limits>

#include "storage/base/batch_header.hpp"
#include "storage/format/numbers.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t unit = BatchHeader::alignment;
constexpr std::uint64_t position_max = std::numeric_limits<std::uint32_t>::max() * unit;

/// A number that is out of its range turns the row corrupt, whatever else it says.
template <class Integer>
Integer narrow(std::uint64_t value, bool& fits) {
    fits = fits && value <= std::numeric_limits<Integer>::max();
    return static_cast<Integer>(value);
}

}  // namespace

std::string format_append_order(std::span<const OrderedBatch>& batches, std::size_t bytes_max) {
    std::string out;
    std::uint64_t last = 0;
    while (!batches.empty() && out.size() < bytes_max) {
        const auto& batch = batches.front();
        append_number(out, (batch.appended_at - last) / unit);
        append_number(out, batch.position / unit);
        append_number(out, batch.run_bytes / unit);
        append_number(out, batch.partition.value);
        append_number(out, batch.base_offset.value);
        append_number(out, batch.record_count);
        last = batch.appended_at;
        batches = batches.subspan(1);
    }
    return out;
}

Result<void> parse_append_order(std::span<const std::byte> payload,
                                std::vector<OrderedBatch>& batches) {
    NumberReader in({reinterpret_cast<const char*>(payload.data()), payload.size()});
    std::uint64_t last = 0;
    while (!in.is_at_end() && !in.failed()) {
        bool fits = true;
        OrderedBatch batch;
        const auto step = narrow<std::uint32_t>(in.next(), fits);
        batch.appended_at = last + step * unit;
        batch.position = narrow<std::uint32_t>(in.next(), fits) * unit;
        batch.run_bytes = narrow<std::uint32_t>(in.next() * unit, fits);
        batch.partition = PartitionId{narrow<std::uint32_t>(in.next(), fits)};
        batch.base_offset = Offset{in.next()};
        batch.record_count = narrow<std::uint32_t>(in.next(), fits);
        if (in.failed() || !fits || batch.appended_at > position_max || batch.record_count == 0 ||
            batch.run_bytes < BatchHeader::bytes) {
            return fail(Errc::corrupt, "append order: a batch does not parse");
        }
        last = batch.appended_at;
        batches.push_back(batch);
    }
    return ok();
}

}  // namespace millrace::storage
