#pragma once

#include <memory>

#include "broker/catalog/catalog_service.hpp"
#include "client/wire/schema/session_generated.h"

namespace millrace::broker::protocol {

[[nodiscard]] std::unique_ptr<wire::TopicT> to_wire(const TopicInfo& topic);
[[nodiscard]] TopicSpec topic_spec(const wire::TopicT& topic);
[[nodiscard]] TopicAlteration topic_alteration(const wire::TopicAlterRequest& request);

}  // namespace millrace::broker::protocol
