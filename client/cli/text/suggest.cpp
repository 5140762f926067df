#include "client/cli/text/suggest.hpp"

#include <algorithm>

namespace millrace::cli {

std::size_t distance_of(std::string_view left, std::string_view right) {
    std::vector<std::size_t> before(right.size() + 1);
    std::vector<std::size_t> last(right.size() + 1);
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t j = 0; j <= right.size(); ++j) {
        last[j] = j;
    }
    for (std::size_t i = 1; i <= left.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            const bool swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            row[j] = swapped ? std::min(row[j], before[j - 2] + 1) : row[j];
        }
        before.swap(last);
        last.swap(row);
    }
    return last[right.size()];
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = distance_of(word, candidate);
        if (distance < best_distance && distance < candidate.size()) {
            best = &candidate;
            best_distance = distance;
        }
    }
    if (best != nullptr) {
        return *best;
    }
    const auto begins = [&](const std::string& candidate) { return candidate.starts_with(word); };
    const auto first = std::find_if(candidates.begin(), candidates.end(), begins);
    const bool only = first != candidates.end() && word.size() > 1 &&
                      std::none_of(first + 1, candidates.end(), begins);
    return only ? std::optional(*first) : std::nullopt;
}

}  // namespace millrace::cli
