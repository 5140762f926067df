#include "client/src/decode.hpp"

#include "client/wire/record_batch.hpp"

namespace millrace::client {

void add_names(const TopicDescription& topic, PartitionNames& names) {
    for (const auto& partition : topic.partitions) {
        names[partition.partition_id] = {.topic = topic.name, .index = partition.index};
    }
}

namespace {

void fill(Record& record, const wire::RecordView& view, const PartitionName& name) {
    record.topic = name.topic;
    record.partition = name.index;
    record.event_time_us = view.event_time_us;
    if (view.key) {
        record.key.emplace(*view.key);
    }
    record.value = view.value;
    record.headers.reserve(view.headers.size());
    for (const auto& header : view.headers) {
        record.headers.push_back(
            {.key = std::string(header.key), .value = std::string(header.value)});
    }
}

Result<void> append_batch(const BatchHeader& header,
                          std::span<const std::byte> batch,
                          const PartitionName& name,
                          Offset from,
                          std::vector<Record>& records) {
    return wire::visit_records(batch, [&](std::uint32_t number, const wire::RecordView& view) {
        const auto offset = header.base_offset + number;
        if (offset >= from) {
            auto& record = records.emplace_back();
            fill(record, view, name);
            record.offset = offset.value;
            record.append_time_us = header.append_time_us;
        }
        return true;
    });
}

}  // namespace

Record to_record(const wire::RecordView& view, const PartitionName& name) {
    Record record;
    fill(record, view, name);
    return record;
}

RunExtent extent_of(std::span<const std::byte> runs) {
    RunExtent extent;
    while (const auto header = load_batch_header(runs)) {
        extent.end = header->last_offset() + 1;
        extent.record_count += header->record_count;
        runs = runs.subspan(header->run_bytes());
    }
    return extent;
}

Result<void> append_run(std::span<const std::byte> runs,
                        const PartitionNames& names,
                        Offset from,
                        std::vector<Record>& records) {
    const PartitionName unknown;
    while (const auto header = load_batch_header(runs)) {
        const auto found = names.find(header->partition.value);
        const auto& name = found == names.end() ? unknown : found->second;
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        const auto before = records.size();
        if (auto appended = append_batch(*header, batch, name, from, records); !appended) {
            records.resize(before);
            return appended;
        }
        runs = runs.subspan(header->run_bytes());
    }
    return ok();
}

}  // namespace millrace::client
