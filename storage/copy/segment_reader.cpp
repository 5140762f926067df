#include "storage/copy/segment_reader.hpp"

#include <memory>
#include <string>
#include <system_error>

#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

/// One read under way.
struct SegmentReadJob {
    Segment segment;  ///< held, so that nobody recycles it meanwhile
    AlignedBuffer memory;
    SegmentReadDone done;

    void finish(std::int32_t bytes) {
        if (bytes < 0) {
            done(
                fail(Errc::io,
                     "cannot read " + segment.path + ": " + std::generic_category().message(-bytes),
                     -bytes));
            return;
        }
        if (static_cast<std::size_t>(bytes) != memory.size()) {
            done(fail(Errc::io, "cannot read " + segment.path + ": it ends early"));
            return;
        }
        const auto taken = memory.span();
        done(std::vector<std::byte>(taken.begin(), taken.end()));
    }
};

bool is_aligned(std::uint64_t number) {
    return number % disk_alignment == 0;
}

}  // namespace

std::uint64_t SegmentReader::durable_bytes(SegmentSequence segment) const {
    const auto end = writer_.durable_end();
    if (segment > end.segment) {
        return 0;
    }
    return segment == end.segment ? end.position.value
                                  : align_up(used_bytes_(segment), disk_alignment);
}

std::vector<SegmentExtent> SegmentReader::list() const {
    std::vector<SegmentExtent> found;
    for (const auto& [sequence, segment] : files_.segments()) {
        const auto used = durable_bytes(sequence);
        if (used > disk_alignment) {
            found.push_back({.segment = sequence,
                             .hash_seed = segment.header.hash_seed,
                             .used_bytes = used,
                             .file_bytes = segment.file_bytes});
        }
    }
    return found;
}

Result<Segment> SegmentReader::check(const SegmentRead& request) const {
    const auto what = "segment " + std::to_string(request.segment.value) + ": ";
    const auto* const segment = files_.find(request.segment);
    if (segment == nullptr || segment->header.hash_seed != request.hash_seed) {
        return fail(Errc::not_found, what + "it has been recycled or rewritten");
    }
    const auto used = durable_bytes(request.segment);
    const bool is_sound = request.bytes > 0 && request.bytes <= segment_read_bytes_max &&
                          is_aligned(request.bytes) && is_aligned(request.position.value);
    const bool is_within =
        request.position.value <= used && request.bytes <= used - request.position.value;
    if (!is_sound || !is_within) {
        return fail(Errc::invalid_argument,
                    what + std::to_string(request.bytes) + " bytes at " +
                        std::to_string(request.position.value) + " can't be read, " +
                        std::to_string(used) + " are used");
    }
    return *segment;
}

void SegmentReader::read(const SegmentRead& request, SegmentReadDone done) const {
    auto segment = check(request);
    if (!segment) {
        done(segment.error());
        return;
    }
    auto job = std::make_shared<SegmentReadJob>();
    job->segment = std::move(segment).value();
    job->memory = AlignedBuffer(request.bytes);
    job->done = std::move(done);
    auto& file = *job->segment.file;
    file.read(
        request.position, job->memory.span(), [job](std::int32_t bytes) { job->finish(bytes); });
}

}  // namespace millrace::storage
