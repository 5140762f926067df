#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/wire/message.hpp"
#include "client/wire/schema/session_generated.h"

namespace millrace::client::testing {

/// A partition of a topic that has no other.
struct NamedPartition {
    std::string topic;
    std::uint32_t partition_id = 0;
    std::uint32_t index = 0;
    std::uint32_t record_bytes_max = 0;  ///< of the topic
};

[[nodiscard]] wire::FrameHeader answer_to(wire::Api api, std::uint32_t correlation);
/// Of one shard, with the usual limits.
[[nodiscard]] wire::HelloAnswerT hello_answer();
[[nodiscard]] wire::MetadataAnswerT metadata_answer(const std::vector<NamedPartition>& topics);

}  // namespace millrace::client::testing
