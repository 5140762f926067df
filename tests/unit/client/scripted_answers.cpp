#include "tests/unit/client/scripted_answers.hpp"

#include <memory>
#include <utility>

namespace millrace::client::testing {

wire::FrameHeader answer_to(wire::Api api, std::uint32_t correlation) {
    return {.api = static_cast<std::uint16_t>(api),
            .correlation = correlation,
            .flags = wire::FrameHeader::flag_answer};
}

wire::HelloAnswerT hello_answer() {
    wire::HelloAnswerT hello;
    hello.protocol_version = wire::protocol_version;
    hello.shard_count = 1;
    hello.frame_bytes_max = static_cast<std::uint32_t>(wire::frame_bytes_max_default);
    hello.record_batch_bytes_max = 1024 * 1024;
    return hello;
}

wire::MetadataAnswerT metadata_answer(const std::vector<NamedPartition>& topics) {
    wire::MetadataAnswerT answer;
    for (const auto& one : topics) {
        auto partition = std::make_unique<wire::PartitionT>();
        partition->partition_id = one.partition_id;
        partition->index = one.index;
        auto topic = std::make_unique<wire::TopicT>();
        topic->name = one.topic;
        topic->partition_count = 1;
        topic->record_bytes_max = one.record_bytes_max;
        topic->partitions.push_back(std::move(partition));
        answer.topics.push_back(std::move(topic));
    }
    return answer;
}

}  // namespace millrace::client::testing
