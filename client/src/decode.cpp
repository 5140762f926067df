#include "client/src/decode.hpp"

#include <utility>

#include "client/wire/record_batch.hpp"

namespace millrace::client {

void add_names(const TopicDescription& topic, PartitionNames& names) {
    for (const auto& partition : topic.partitions) {
        names[partition.partition_id] = {.topic = topic.name, .index = partition.index};
    }
}

PartitionNames names_of(const std::vector<TopicDescription>& topics) {
    PartitionNames names;
    for (const auto& topic : topics) {
        add_names(topic, names);
    }
    return names;
}

RecordMemory::RecordMemory(std::vector<std::byte> bytes,
                           std::shared_ptr<const PartitionNames> names)
    : names_(std::move(names)) {
    bytes_ = {nullptr, more_bytes_.emplace_back(std::move(bytes))};
}

const PartitionName& RecordMemory::name_of(std::uint32_t partition_id) const {
    static const PartitionName nameless;
    const auto found = names_->find(partition_id);
    return found == names_->end() ? nameless : found->second;
}

std::string_view RecordMemory::add_text(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return wire::as_text(more_bytes_.emplace_back(bytes.begin(), bytes.end()));
}

namespace {

void fill(Record& record, const wire::RecordView& view, const PartitionName& name) {
    record.topic = name.topic;
    record.partition = name.index;
    record.event_time_us = view.event_time_us;
    record.key = view.key;
    record.value = view.value;
    record.headers.reserve(view.headers.size());
    for (const auto& header : view.headers) {
        record.headers.push_back({.key = header.key, .value = header.value});
    }
}

Result<void> append_batch(const std::shared_ptr<RecordMemory>& memory,
                          const BatchHeader& header,
                          std::span<const std::byte> batch,
                          Offset from,
                          std::vector<Record>& records) {
    const auto& name = memory->name_of(header.partition.value);
    const auto append = [&](std::uint32_t number, const wire::RecordView& view) {
        const auto offset = header.base_offset + number;
        if (offset >= from) {
            auto& record = records.emplace_back();
            fill(record, view, name);
            record.offset = offset.value;
            record.append_time_us = header.append_time_us;
            record.memory = memory;
        }
        return true;
    };
    return wire::codec_of(batch) == wire::Codec::none
               ? wire::visit_records(batch, append)
               : wire::visit_records(batch, memory->add_bytes(), append);
}

}  // namespace

Record to_record(const wire::RecordView& view,
                 const PartitionName& name,
                 std::shared_ptr<const RecordMemory> memory) {
    Record record;
    fill(record, view, name);
    record.memory = std::move(memory);
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

Result<void> append_run(const std::shared_ptr<RecordMemory>& memory,
                        std::span<const std::byte> runs,
                        Offset from,
                        std::vector<Record>& records) {
    while (const auto header = load_batch_header(runs)) {
        const auto batch = runs.subspan(BatchHeader::bytes, header->batch_bytes);
        const auto before = records.size();
        if (auto appended = append_batch(memory, *header, batch, from, records); !appended) {
            records.resize(before);
            return appended;
        }
        runs = runs.subspan(header->run_bytes());
    }
    return ok();
}

}  // namespace millrace::client
