#include "storage/log/partition_reader.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace::storage {
namespace {

/// What is to be fetched, and of which request.
// NOLINTNEXTLINE(bugprone-exception-escape): of small_vector, whose moves do not throw here
struct Open {
    std::size_t request = 0;
    BatchReader::Part part;
};

std::size_t run_bytes_of(const Open& open) {
    std::size_t bytes = 0;
    for (const auto& place : open.part.places) {
        bytes += place.entry.run_bytes;
    }
    return bytes;
}

/// Leaves to each as many of its places as fit, those first whose next batch is oldest.
void fit(std::vector<Open>& open, std::size_t runs_bytes_max) {
    std::size_t all_bytes = 0;
    for (const auto& one : open) {
        all_bytes += run_bytes_of(one);
    }
    if (all_bytes <= runs_bytes_max) {
        return;
    }
    std::ranges::sort(open, {}, [](const Open& one) {
        const auto& first = one.part.places.front();
        return std::pair(first.segment, first.entry.position);
    });
    std::size_t bytes = 0;
    for (auto& [request, part] : open) {
        const auto end = std::ranges::find_if(part.places, [&](const BatchPlace& place) {
            const bool fits = bytes == 0 || bytes + place.entry.run_bytes <= runs_bytes_max;
            bytes += fits ? place.entry.run_bytes : 0;
            return !fits;
        });
        part.places.erase(end, part.places.end());
    }
    std::ranges::sort(open, {}, &Open::request);
}

}  // namespace

Result<PartitionReader::Found> PartitionReader::find(const ReadRequest& request) const {
    const auto limits = index_->bounds(request.partition);
    if (request.from < limits.first || request.from > limits.next) {
        return fail(Errc::offset_out_of_range,
                    "offset " + std::to_string(request.from.value) + " is outside of [" +
                        std::to_string(limits.first.value) + ", " +
                        std::to_string(limits.next.value) + "]");
    }
    if (request.from == limits.next) {
        return ReadResult{.runs = {}, .next = request.from, .damage = std::nullopt, .skip_to = {}};
    }
    MILLRACE_TRY(auto places, index_->find(request.partition, request.from, request.bytes_max));
    if (places.empty() || places.front().entry.base_offset > request.from) {
        const auto skip_to = places.empty() ? limits.next : places.front().entry.base_offset;
        return ReadResult{
            .runs = {},
            .next = request.from,
            .damage = fail(Errc::corrupt,
                           "offsets " + std::to_string(request.from.value) + " to " +
                               std::to_string(skip_to.value - 1) + " are quarantined"),
            .skip_to = skip_to};
    }
    const auto is_gap = [](const BatchPlace& a, const BatchPlace& b) {
        return a.entry.end() != b.entry.base_offset;
    };
    if (const auto gap = std::ranges::adjacent_find(places, is_gap); gap != places.end()) {
        places.erase(std::next(gap), places.end());
    }
    return places;
}

void PartitionReader::read(const std::vector<ReadRequest>& requests,
                           std::size_t runs_bytes_max,
                           ReadAllDone done) {
    auto results = std::make_shared<std::vector<Result<ReadResult>>>();
    results->reserve(requests.size());
    std::vector<Open> open;
    open.reserve(requests.size());
    for (const auto& request : requests) {
        auto found = find(request);
        if (!found) {
            results->emplace_back(found.error());
        } else if (auto* const result = std::get_if<ReadResult>(&found.value())) {
            results->emplace_back(std::move(*result));
        } else {
            open.push_back({.request = results->size(),
                            .part = {.partition = request.partition,
                                     .from = request.from,
                                     .places = std::get<1>(std::move(found.value()))}});
            results->emplace_back(ReadResult{});
        }
    }
    if (open.empty()) {
        done(std::move(*results));
        return;
    }
    fit(open, runs_bytes_max);
    std::vector<std::size_t> targets;
    std::vector<BatchReader::Part> parts;
    targets.reserve(open.size());
    parts.reserve(open.size());
    for (auto& [request, part] : open) {
        targets.push_back(request);
        parts.push_back(std::move(part));
    }
    batches_.read(std::move(parts),
                  [results, targets = std::move(targets), done = std::move(done)](
                      std::vector<Result<ReadResult>> fetched) {
                      for (std::size_t i = 0; i < fetched.size(); ++i) {
                          (*results)[targets[i]] = std::move(fetched[i]);
                      }
                      done(std::move(*results));
                  });
}

}  // namespace millrace::storage
