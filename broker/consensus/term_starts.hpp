#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "storage/base/ids.hpp"

namespace millrace::broker::consensus {

/// In which term each entry of a log was made, as far back as that is known.
///
/// An entry of an index and a term is one and the same wherever it lies. So this tells the one that
/// counts from those which lie in the log under the same index and were taken out again.
class TermStarts {
  public:
    /// Entries from here on, up to the next start, are of this term.
    struct Start {
        RaftIndex first;
        RaftTerm term;
        bool operator==(const Start&) const = default;
    };
    static constexpr std::size_t starts_max = 512;  ///< of more the oldest are forgotten

    /// The log ends with this entry now; what it had from there on counts no more.
    void note(RaftIndex index, RaftTerm term);
    /// Entries from here on are taken out.
    void cut(RaftIndex first);
    /// What is known of the entries up to `last` is put before what was noted, which counts where
    /// both say something.
    void put_before(const std::vector<Start>& earlier, RaftIndex last);
    /// Nothing where it is not known, or there is no such entry.
    [[nodiscard]] std::optional<RaftTerm> at(RaftIndex index) const;
    [[nodiscard]] std::vector<Start> upto(RaftIndex last) const;

  private:
    std::deque<Start> starts_;
    RaftIndex end_;  ///< behind the last entry
};

}  // namespace millrace::broker::consensus
