#include "storage/rewrite/ordered_scanner.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "storage/base/logging.hpp"
#include "storage/format/frame_walk.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

// So much that one read of the disk has room for all of it, wherever the batches lie.
constexpr std::size_t page_bytes_max = 1_MiB;
constexpr std::size_t page_batches_max = 2'048;
constexpr std::size_t gap_bytes_max = 4_KiB;
static_assert(page_bytes_max + page_batches_max * gap_bytes_max <= BatchReader::disk_bytes_max);

/// The frames with the order lie in the file's last commits. Errors: corrupt.
Result<std::vector<OrderedBatch>> parse_order(std::span<const std::byte> bytes,
                                              const Segment& segment) {
    std::vector<OrderedBatch> batches;
    Result<void> outcome = ok();
    bool has_order = false;
    while (const auto header = load_commit_header(bytes, segment.header.hash_seed)) {
        if (header->total_bytes > bytes.size()) {
            break;
        }
        const auto take = [&](const FrameView& frame, std::size_t) {
            has_order = true;
            outcome = outcome && frame.entry_type == entry_type_order
                          ? parse_append_order(frame.payload, batches)
                          : outcome;
        };
        const auto damage =
            walk_frames(bytes.first(header->total_bytes), *header, segment.header.hash_seed, take);
        if (damage.frames > 0) {
            break;
        }
        bytes = bytes.subspan(header->total_bytes);
    }
    MILLRACE_TRY(outcome);
    const auto is_outside = [&segment](const OrderedBatch& batch) {
        return batch.position + batch.run_bytes > segment.file_bytes;
    };
    if (!has_order || !bytes.empty() || std::ranges::any_of(batches, is_outside)) {
        return fail(Errc::corrupt, segment.path + ": its append order does not verify");
    }
    return batches;
}

/// The runs that came, as far as there was room for all.
ScanResult join(std::span<const OrderedBatch> batches,
                std::vector<Result<ReadResult>>& results,
                SegmentSequence segment,
                ScanCursor next) {
    ScanResult joined{.runs = {}, .next = next};
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto& result = results[i].value();
        if (result.runs.empty() && !result.damage) {
            joined.next = {.segment = segment, .position = Position{batches[i].appended_at}};
            break;
        }
        const auto runs = result.runs.span();
        joined.runs.insert(joined.runs.end(), runs.begin(), runs.end());
    }
    return joined;
}

}  // namespace

void OrderedScanner::scan(const Segment& segment,
                          ScanCursor from,
                          std::size_t bytes_max,
                          ScanCursor behind,
                          ScanDone done) {
    Page page{.from = from,
              .bytes_max = std::min(bytes_max, page_bytes_max),
              .behind = behind,
              .done = std::move(done)};
    was_used_ = true;
    if (order_ && order_->segment == segment.header.sequence &&
        order_->generation == segment.generation) {
        read(order_, std::move(page));
        return;
    }
    load(segment,
         [this, page = std::move(page)](const Result<std::shared_ptr<const Order>>& loaded) {
             if (!loaded && loaded.error().code == Errc::corrupt) {
                 log_error("storage", loaded.error().text + "; scans step over the segment");
                 page.done(ScanResult{.runs = {}, .next = page.behind});
                 return;
             }
             if (!loaded) {
                 page.done(loaded.error());
                 return;
             }
             order_ = loaded.value();
             read(order_, page);
         });
}

void OrderedScanner::rest() {
    if (!std::exchange(was_used_, false)) {
        order_.reset();
    }
}

void OrderedScanner::load(const Segment& segment, OrderDone done) {
    const auto begin = segment.header.order_block * std::uint64_t{disk_alignment};
    if (begin >= segment.file_bytes) {
        done(fail(Errc::corrupt, segment.path + ": its append order is not there"));
        return;
    }
    const auto memory = std::make_shared<AlignedBuffer>(segment.file_bytes - begin);
    segment.file->read(
        Position{begin},
        memory->span(),
        [segment, memory, done = std::move(done)](std::int32_t bytes) {
            if (bytes < 0) {
                done(fail(
                    Errc::io,
                    "cannot read " + segment.path + ": " + std::generic_category().message(-bytes),
                    -bytes));
                return;
            }
            const auto came = memory->span().first(static_cast<std::size_t>(bytes));
            auto batches = parse_order(came, segment);
            if (!batches) {
                done(batches.error());
                return;
            }
            done(std::make_shared<const Order>(Order{.segment = segment.header.sequence,
                                                     .generation = segment.generation,
                                                     .batches = std::move(batches).value()}));
        });
}

void OrderedScanner::read(const std::shared_ptr<const Order>& order, Page page) {
    const auto begin = std::ranges::lower_bound(
        order->batches, page.from.position.value, {}, &OrderedBatch::appended_at);
    std::vector<BatchReader::Part> parts;
    std::size_t bytes = 0;
    auto end = begin;
    for (; end != order->batches.end(); ++end) {
        bytes += end->run_bytes;
        if (!parts.empty() && (bytes > page.bytes_max || parts.size() == page_batches_max)) {
            break;
        }
        const BatchEntry entry{.base_offset = end->base_offset,
                               .record_count = end->record_count,
                               .run_bytes = end->run_bytes,
                               .position = end->position};
        // Each for itself, so that damage costs no other.
        parts.push_back({.partition = end->partition,
                         .from = end->base_offset,
                         .places = {{.segment = page.from.segment, .entry = entry}}});
    }
    const auto next =
        end == order->batches.end()
            ? page.behind
            : ScanCursor{.segment = page.from.segment, .position = Position{end->appended_at}};
    if (parts.empty()) {
        page.done(ScanResult{.runs = {}, .next = next});
        return;
    }
    batches_.read(
        std::move(parts),
        [order,
         next,
         batches = std::span(std::to_address(begin), std::to_address(end)),
         page = std::move(page)](std::vector<Result<ReadResult>> results) {
            const auto failed = std::ranges::find_if(
                results, [](const auto& result) { return result.has_error(); });
            if (failed != results.end()) {
                page.done(failed->error());
                return;
            }
            page.done(join(batches, results, page.from.segment, next));
        },
        gap_bytes_max);
}

}  // namespace millrace::storage
