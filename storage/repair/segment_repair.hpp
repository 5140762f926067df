#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/base/result.hpp"
#include "storage/io/disk.hpp"
#include "storage/log/segment_maker.hpp"
#include "storage/repair/entry_source.hpp"

namespace millrace::storage {

/// A sealed segment in which something does not verify.
struct RepairTask {
    Segment segment;  ///< held, so that nobody recycles it meanwhile
    std::uint64_t used_bytes = 0;
    std::string directory;  ///< of its file
};

struct RepairOutcome {
    std::uint32_t commits = 0;  ///< that were repaired
    std::uint32_t frames = 0;   ///< that were fetched for them
    /// The segment has another file under its name; else all of it verifies as it is.
    bool is_new_file = false;
};

struct RepairOptions {
    std::uint64_t bytes_per_second = 0;  ///< read, written and fetched together; 0: no limit
    const std::atomic<bool>& is_stopping;
};

/// Writes a segment anew with what is damaged as other replicas have it. Everything else stays
/// where it lies, so that no index changes.
///
/// Promise:  the new file takes the name of the old one only when all of it is verified and on
///           disk: whatever a crash leaves under that name is one of the two, whole. The old one
///           can still be read by who has it open.
/// Threads:  any; blocks. Holds 9 MiB and the commits that were damaged, 32 MiB at most.
/// Errors:   corrupt, where it can't be repaired; those of the source; io; out_of_space;
///           shutting_down.
[[nodiscard]] Result<RepairOutcome> repair_segment(Disk& disk,
                                                   const RepairTask& task,
                                                   EntrySource& source,
                                                   const RepairOptions& options);

}  // namespace millrace::storage
