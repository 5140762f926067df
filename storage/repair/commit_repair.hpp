#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"
#include "storage/repair/entry_source.hpp"

namespace millrace::storage {

/// An entry that verifies, as one end of a gap.
struct EntryMark {
    RaftIndex index;
    RaftTerm term;
};
using EntryMarks = std::map<GroupId, EntryMark>;

/// The entries of a commit that is whole; a truncation takes marks back.
void note_entry(const FrameView& frame, EntryMarks& last);

/// A commit of which something does not verify.
struct DamagedCommit {
    std::span<std::byte> bytes;  ///< to where the next one begins; repaired in place
    CommitSequence sequence;
    std::optional<CommitHeader> header;  ///< nothing: it does not verify either
    EntryMarks before;                   ///< of each group the last entry in front of it
    EntryMarks behind;                   ///< and the first one behind it
    UnixMicros time_before = 0;          ///< when the commits around it were written
    UnixMicros time_behind = 0;
};

/// Puts frames that do not verify back as they were, with the entries of other replicas, and a
/// header from the frames. An entry counts as the lost one where the frame's own checksum says so,
/// or all but the checksum, or where it is the one that is missing between its neighbours and fills
/// the gap.
///
/// Promise:  after success all of the commit verifies, and each frame lies where it lay.
/// Returns:  how many frames were fetched. Errors:  corrupt, where it can't be repaired: frames
///           that only this replica has, or none of the others any more; those of the source.
[[nodiscard]] Result<std::uint32_t> repair_commit(const DamagedCommit& commit,
                                                  const SegmentHeader& segment,
                                                  EntrySource& source);

}  // namespace millrace::storage
