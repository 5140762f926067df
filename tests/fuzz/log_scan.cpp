// Recovery's scan and the scanner of replay over a segment full of whatever the fuzzer puts there.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_check.hpp"
#include "tests/fuzz/segment_image.hpp"

#include "storage/io/background.hpp"
#include "storage/io/sim_disk.hpp"
#include "storage/log/log_scanner.hpp"
#include "storage/log/recovery.hpp"

namespace millrace::storage {
namespace {

using fuzz::check;

void recover(const Segment& segment, std::size_t image_bytes) {
    std::size_t frames = 0;
    const FrameHandler handle = [&](const FrameView& frame, FramePlace place) {
        ++frames;
        check(place.position.value % BatchHeader::alignment == 0, "frames are aligned");
        check(place.position.value + frame_bytes(frame.payload.size()) <= image_bytes,
              "a frame lies within its segment");
        // Reads every byte, for the sanitizer.
        check(std::ranges::count(frame.payload, std::byte{0}) >= 0, "bytes can be counted");
    };
    const auto scan = scan_segment(
        segment,
        {.after = {}, .commits_in_flight_max = 2, .following = nullptr, .used_bytes = std::nullopt},
        handle);
    check(scan.has_value(), "bytes are never an error of the disk");
    check(scan.value().used_bytes <= image_bytes && scan.value().used_bytes % disk_alignment == 0,
          "what is used lies within the segment");
    check(frames == 0 || scan.value().used_bytes > disk_alignment, "frames lie in what is used");
}

void replay(Disk& disk, SegmentFiles& files, const CommitWriter& writer, std::size_t image_bytes) {
    ReadBuffers buffers(disk);
    LogScanner scanner(
        files, writer, buffers, [image_bytes](SegmentSequence) { return image_bytes; });
    ScanCursor cursor{.segment = SegmentSequence{1}, .position = Position{0}};
    for (std::size_t turn = 0;; ++turn) {
        check(turn <= image_bytes / disk_alignment + 1, "a replay comes to its end");
        bool is_done = false;
        bool at_end = false;
        scanner.scan(cursor, 1, CommitSequence{~std::uint64_t{0}}, [&](Result<ScanResult> result) {
            check(result.has_value(), "bytes are never an error of the disk");
            is_done = true;
            at_end = result.value().at_end;
            check(at_end || result.value().next > cursor, "a replay moves on");
            cursor = result.value().next;
            check(result.value().runs.size() <= image_bytes, "a replay hands out what is there");
        });
        disk.drain();
        check(is_done, "a scan is answered");
        if (at_end) {
            return;
        }
    }
}

}  // namespace
}  // namespace millrace::storage

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    using namespace millrace::storage;
    const auto image = fuzz::build_segment(fuzz::bytes_of(data, size));
    SimDisk disk(1);
    const ManualClock clock;
    const StoreOptions options{.directory = "d", .segment_bytes = image.size()};
    Background background(Background::Mode::inline_in_owner);
    {
        const auto file = disk.open("d/log/0000000000000001.seg", OpenMode::create);
        fuzz::check(file.has_value() && file.value()->write_now(Position{0}, image).has_value(),
                    "the simulated disk takes an image");
    }
    SegmentFiles files(disk, clock, options, background);
    std::vector<std::string> broken;
    const auto opened = files.open_all([](SegmentSequence) { return std::nullopt; }, broken);
    fuzz::check(opened.has_value() && broken.empty(), "the segment opens");
    MetricsRegistry metrics;
    const CommitWriter writer(options, clock, disk, files, metrics);
    recover(*files.find(SegmentSequence{1}), image.size());
    replay(disk, files, writer, image.size());
    return 0;
}
