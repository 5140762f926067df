#include "tests/simulation/cluster/record_history.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "client/wire/record_batch.hpp"
#include "storage/base/batch_header.hpp"

namespace millrace::simulation::cluster {
namespace {

std::string name_of(PartitionId partition, Offset offset) {
    return std::to_string(partition.value) + "@" + std::to_string(offset.value);
}

/// Without what fills it up.
std::string shown(const std::string& value) {
    return "\"" + value.substr(0, value.find('.')) + "\"";
}

}  // namespace

std::vector<ReadRecord> records_of(std::span<const std::byte> runs, Offset from) {
    std::vector<ReadRecord> found;
    while (const auto header = load_batch_header(runs)) {
        (void)wire::visit_records(runs.subspan(BatchHeader::bytes, header->batch_bytes),
                                  [&](std::uint32_t number, const wire::RecordView& record) {
                                      found.push_back({.offset = header->base_offset + number,
                                                       .append_time_us = header->append_time_us,
                                                       .key = std::string(record.key.value_or("")),
                                                       .value = std::string(record.value)});
                                      return true;
                                  });
        runs = runs.subspan(header->run_bytes());
    }
    std::erase_if(found, [from](const auto& record) { return record.offset < from; });
    return found;
}

std::string ValueName::format() const {
    return std::to_string(producer) + ":" + std::to_string(number) + ".";
}

ValueName ValueName::parse(std::string_view value) {
    ValueName name;
    const auto* const end = value.data() + value.size();
    const auto first = std::from_chars(value.data(), end, name.producer);
    if (first.ptr != end) {
        (void)std::from_chars(first.ptr + 1, end, name.number);
    }
    return name;
}

void RecordHistory::note_read(const std::string& where,
                              PartitionId partition,
                              const ReadRecord& record) {
    auto& known = partitions_[partition];
    const auto name = name_of(partition, record.offset);
    const auto [at, is_new] = known.records.try_emplace(record.offset, record);
    if (!is_new) {
        if (at->second != record) {
            stage_.violate("at " + where + " " + name + " is " + shown(record.value) + " of " +
                           std::to_string(record.append_time_us) + ", was read as " +
                           shown(at->second.value) + " of " +
                           std::to_string(at->second.append_time_us));
        }
        return;
    }
    const auto [place, is_first] = known.places.try_emplace(record.value, record.offset);
    if (!is_first) {
        stage_.violate("at " + where + " " + name + " is " + shown(record.value) +
                       ", which lies at " + name_of(partition, place->second));
    }
    const auto acked = known.acked.find(record.offset);
    if (acked != known.acked.end() && acked->second != record.value) {
        stage_.violate("at " + where + " " + name + " is " + shown(record.value) +
                       ", acked there was " + shown(acked->second));
    }
    check_times(name, known, record.offset);
}

void RecordHistory::check_times(const std::string& name, const Partition& partition, Offset at) {
    const auto here = partition.records.find(at);
    const auto time = here->second.append_time_us;
    const auto next = std::next(here);
    const bool is_before =
        here != partition.records.begin() && std::prev(here)->second.append_time_us > time;
    const bool is_behind = next != partition.records.end() && next->second.append_time_us < time;
    if (is_before || is_behind) {
        stage_.violate("the append time of " + name + " goes down");
    }
}

void RecordHistory::note_ack(PartitionId partition,
                             Offset first,
                             const std::vector<std::string>& values) {
    auto& known = partitions_[partition];
    if (known.may_lose) {
        known.acked_by_leader += values.size();
        return;
    }
    auto offset = first;
    for (const auto& value : values) {
        const auto name = name_of(partition, offset);
        const auto [at, is_new] = known.acked.try_emplace(offset, value);
        if (!is_new) {
            stage_.violate(name + " is acked for " + shown(value) + ", was for " +
                           shown(at->second));
        }
        const auto record = known.records.find(offset);
        if (record != known.records.end() && record->second.value != value) {
            stage_.violate(name + " is acked for " + shown(value) + ", was read as " +
                           shown(record->second.value));
        }
        ++offset;
    }
}

Offset RecordHistory::acked_end(PartitionId partition) const {
    const auto found = partitions_.find(partition);
    return found == partitions_.end() || found->second.acked.empty()
               ? Offset{0}
               : found->second.acked.rbegin()->first + 1;
}

std::uint64_t RecordHistory::record_count() const {
    std::uint64_t count = 0;
    for (const auto& [id, partition] : partitions_) {
        count += partition.records.size();
    }
    return count;
}

std::uint64_t RecordHistory::lost_count() const {
    std::uint64_t count = 0;
    for (const auto& [id, partition] : partitions_) {
        count += partition.acked_by_leader -
                 std::min<std::uint64_t>(partition.acked_by_leader, partition.records.size());
    }
    return count;
}

void RecordHistory::check_end(PartitionId partition, Offset first, Offset next) {
    auto& known = partitions_[partition];
    for (auto offset = first; offset < next; ++offset) {
        if (!known.records.contains(offset)) {
            stage_.violate("nothing lies at " + name_of(partition, offset));
            return;
        }
    }
    for (auto at = known.acked.lower_bound(first); at != known.acked.end(); ++at) {
        if (!known.records.contains(at->first)) {
            stage_.violate(name_of(partition, at->first) + ", acked for " + shown(at->second) +
                           ", is lost");
        }
    }
    if (!known.records.empty() && known.records.rbegin()->first >= next) {
        stage_.violate(name_of(partition, known.records.rbegin()->first) +
                       " was read and is lost: the end is " + std::to_string(next.value));
    }
    check_order(partition, known);
}

void RecordHistory::check_order(PartitionId id, const Partition& partition) {
    std::map<std::uint64_t, std::uint64_t> next;
    Offset expected{0};
    bool has_gap = partition.may_lose;
    for (const auto& [offset, record] : partition.records) {
        // What retention took before it was read may be anything.
        has_gap = has_gap || offset != expected;
        expected = offset + 1;
        const auto name = ValueName::parse(record.value);
        auto& number = next[name.producer];
        if (name.number < number || (name.number > number && !has_gap)) {
            stage_.violate(name_of(id, offset) + " is " + shown(record.value) +
                           ", next of that producer was " + std::to_string(number));
            return;
        }
        number = name.number + 1;
    }
}

}  // namespace millrace::simulation::cluster
