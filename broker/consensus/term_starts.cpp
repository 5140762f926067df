#include "broker/consensus/term_starts.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::broker::consensus {

void TermStarts::note(RaftIndex index, RaftTerm term) {
    if (index > end_) {
        starts_.clear();  // nobody knows what is between
    }
    cut(index);
    if (starts_.empty() || starts_.back().term != term) {
        starts_.push_back({.first = index, .term = term});
    }
    if (starts_.size() > starts_max) {
        starts_.pop_front();
    }
    end_ = index + 1;
}

void TermStarts::cut(RaftIndex first) {
    while (!starts_.empty() && starts_.back().first >= first) {
        starts_.pop_back();
    }
    end_ = std::min(end_, first);
}

void TermStarts::put_before(const std::vector<Start>& earlier, RaftIndex last) {
    const auto noted = std::exchange(starts_, {});
    if (noted.empty()) {
        starts_.assign(earlier.begin(), earlier.end());
        end_ = last + 1;
        return;
    }
    const auto begin = noted.front().first;
    if (begin <= last + 1) {
        std::ranges::copy_if(earlier, std::back_inserter(starts_), [begin](const Start& start) {
            return start.first < begin;
        });
    }
    const bool goes_on = !starts_.empty() && starts_.back().term == noted.front().term;
    starts_.insert(starts_.end(), noted.begin() + (goes_on ? 1 : 0), noted.end());
}

std::optional<RaftTerm> TermStarts::at(RaftIndex index) const {
    const auto behind = std::ranges::upper_bound(starts_, index, {}, &Start::first);
    return index >= end_ || behind == starts_.begin() ? std::nullopt
                                                      : std::optional(std::prev(behind)->term);
}

std::vector<TermStarts::Start> TermStarts::upto(RaftIndex last) const {
    std::vector<Start> found;
    std::ranges::copy_if(starts_, std::back_inserter(found), [last](const Start& start) {
        return start.first <= last;
    });
    return found;
}

}  // namespace millrace::broker::consensus
