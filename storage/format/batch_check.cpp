#include "storage/format/batch_check.hpp"

#include "storage/base/batch_header.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/crc32c.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t crc_at = 17;
constexpr std::size_t crc_from = 21;

}  // namespace

bool is_intact(std::span<const std::byte> run, const KnownBatch& known) {
    const auto header = load_batch_header(run);
    if (!header || header->run_bytes() != run.size() || header->partition != known.partition ||
        header->base_offset != known.base_offset || header->record_count != known.record_count ||
        (known.append_time_us != 0 && header->append_time_us != known.append_time_us)) {
        return false;
    }
    const auto batch = run.subspan(BatchHeader::bytes, header->batch_bytes);
    return batch.size() > crc_from &&
           load_be<std::uint32_t>(batch.subspan(crc_at)) == crc32c(batch.subspan(crc_from));
}

}  // namespace millrace::storage
