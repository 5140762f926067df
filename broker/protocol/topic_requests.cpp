#include "broker/catalog/replay_topic.hpp"
#include "broker/protocol/session.hpp"
#include "broker/protocol/topic_messages.hpp"

namespace millrace::broker::protocol {
namespace {

template <class Value, class Wire>
std::optional<Value> optional_of(const flatbuffers::Optional<Wire>& value) {
    return value ? std::optional(static_cast<Value>(*value)) : std::nullopt;
}

std::optional<std::string> optional_text(const flatbuffers::String* text) {
    return text == nullptr ? std::nullopt : std::optional(text->str());
}

TopicDone answer_topic(const Request& request) {
    return [session = request.session,
            header = request.header](const Result<std::shared_ptr<const TopicInfo>>& topic) {
        if (!topic) {
            session->refuse(header, topic.error());
            return;
        }
        wire::TopicAnswerT answer;
        answer.topic = to_wire(*topic.value());
        session->answer(header, answer);
    };
}

}  // namespace

std::unique_ptr<wire::TopicT> to_wire(const TopicInfo& topic) {
    auto made = std::make_unique<wire::TopicT>();
    made->name = topic.name;
    made->partition_count = static_cast<std::uint32_t>(topic.partitions.size());
    made->retention_ms = topic.retention_ms;
    made->retention_bytes = topic.retention_bytes;
    made->criticality = static_cast<wire::Criticality>(topic.criticality);
    made->lifecycle = static_cast<wire::Lifecycle>(topic.lifecycle);
    made->owner = topic.owner;
    made->description = topic.description;
    made->record_bytes_max = topic.record_bytes_max;
    made->created_us = topic.created_us;
    made->replaced_by = topic.replaced_by;
    made->duplicate_window_ms = topic.duplicate_window_ms;
    made->clustered = topic.clustered;
    made->durability = static_cast<wire::Durability>(topic.durability);
    for (std::uint32_t i = 0; i < topic.partitions.size(); ++i) {
        auto partition = std::make_unique<wire::PartitionT>();
        partition->index = i;
        partition->partition_id = topic.partitions[i].id.value;
        partition->group = topic.partitions[i].group.value;
        partition->shard = topic.partitions[i].shard.value;
        made->partitions.push_back(std::move(partition));
    }
    return made;
}

TopicSpec topic_spec(const wire::TopicT& topic) {
    TopicSpec spec{.name = topic.name, .partition_count = topic.partition_count, .settings = {}};
    spec.settings.retention_ms = topic.retention_ms;
    spec.settings.retention_bytes = topic.retention_bytes;
    spec.settings.criticality = static_cast<Criticality>(topic.criticality);
    spec.settings.lifecycle = static_cast<Lifecycle>(topic.lifecycle);
    spec.settings.owner = topic.owner;
    spec.settings.description = topic.description;
    spec.settings.record_bytes_max = topic.record_bytes_max;
    spec.settings.replaced_by = topic.replaced_by;
    spec.settings.duplicate_window_ms = topic.duplicate_window_ms;
    spec.settings.clustered = topic.clustered;
    spec.settings.durability = static_cast<Durability>(topic.durability);
    return spec;
}

TopicAlteration topic_alteration(const wire::TopicAlterRequest& request) {
    return {.name = request.name() == nullptr ? "" : request.name()->str(),
            .partition_count = optional_of<std::uint32_t>(request.partition_count()),
            .retention_ms = optional_of<std::uint64_t>(request.retention_ms()),
            .retention_bytes = optional_of<std::uint64_t>(request.retention_bytes()),
            .criticality = optional_of<Criticality>(request.criticality()),
            .lifecycle = optional_of<Lifecycle>(request.lifecycle()),
            .owner = optional_text(request.owner()),
            .description = optional_text(request.description()),
            .record_bytes_max = optional_of<std::uint32_t>(request.record_bytes_max()),
            .replaced_by = optional_text(request.replaced_by()),
            .duplicate_window_ms = optional_of<std::uint64_t>(request.duplicate_window_ms()),
            .clustered = optional_of<bool>(request.clustered()),
            .durability = optional_of<Durability>(request.durability())};
}

void handle_topic_create(const Request& request) {
    const auto parsed = wire::parse_message<wire::TopicCreateRequest>(request.table);
    if (!parsed || !parsed.value().topic) {
        request.refuse(parsed ? fail(Errc::invalid_argument, "a topic is missing")
                              : parsed.error());
        return;
    }
    if (is_internal_topic(parsed.value().topic->name)) {
        request.refuse(fail(Errc::invalid_argument,
                            "names that begin with \"" + std::string(internal_topic_prefix) +
                                "\" are the broker's own"));
        return;
    }
    const auto if_exists = parsed.value().if_exists_ok ? IfExists::accept : IfExists::fail;
    request.session->services().shard->catalog().create_topic(
        topic_spec(*parsed.value().topic), if_exists, answer_topic(request));
}

void handle_topic_alter(const Request& request) {
    const auto table = wire::verify_table<wire::TopicAlterRequest>(request.table);
    if (!table) {
        request.refuse(table.error());
        return;
    }
    request.session->services().shard->catalog().alter_topic(topic_alteration(*table.value()),
                                                             answer_topic(request));
}

void handle_topic_delete(const Request& request) {
    const auto parsed = wire::parse_message<wire::TopicDeleteRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    request.session->services().shard->catalog().delete_topic(
        parsed.value().name,
        [session = request.session, header = request.header](const Result<void>& done) {
            if (!done) {
                session->refuse(header, done.error());
            } else {
                session->answer(header, wire::DoneT{});
            }
        });
}

}  // namespace millrace::broker::protocol
